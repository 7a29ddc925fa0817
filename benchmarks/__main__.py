"""Measure all sizes, and write what came of it down: `make bench`.

`BENCH_CHATS` (100,500,1000,2000), `BENCH_RUNS` (3; the medians count),
`BENCH_DATABASE` (postgresql or sqlite), `BENCH_TLS` (1; 0 to compare),
`BENCH_WEB_CONCURRENCY` (1; processes of one server) and `BENCH_SERVERS` (1; with 2 a
chat is polled by one server and its bot calls the other) say what is measured. What
was measured with other settings before stays on the page.

`make cost` measures the cost of messages alone, at `BENCH_CHATS` (1000), and prints it.
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import measure, report

RESULTS = Path(__file__).parent / "results.json"


def median_of(runs: list[Any]) -> Any:
    """Return the medians of the figures of several runs, key by key."""
    if isinstance(runs[0], dict):
        return {key: median_of([run[key] for run in runs]) for key in runs[0]}
    return statistics.median(runs)


def main() -> None:
    """Measure, print a line for each measurement, write results, page and plot."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    setting = os.environ.get
    only_cost = sys.argv[1:] == ["cost"]
    usual = "1000" if only_cost else "100,500,1000,2000"
    sizes = [int(n) for n in setting("BENCH_CHATS", usual).split(",")]
    runs = int(setting("BENCH_RUNS", "3"))
    stage: dict[str, Any] = {
        "tls": setting("BENCH_TLS", "1") != "0",
        "database": setting("BENCH_DATABASE", "postgresql"),
        "servers": int(setting("BENCH_SERVERS", "1")),
        "processes": int(setting("BENCH_WEB_CONCURRENCY", "1")),
    }
    if only_cost:
        for chats in sizes:
            print(json.dumps({"chats": chats, **cost(chats, **stage)}))
        return
    found = {
        "machine": report.machine(),
        "taken_on": time.strftime("%Y-%m-%d"),
        "runs": runs,
        **stage,
        "chats": {str(chats): measured(chats, runs, **stage) for chats in sizes},
    }
    everything = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    everything[report.name(found)] = found
    RESULTS.write_text(json.dumps(everything, indent=1) + "\n")
    report.write(everything)
    print(f"written: {RESULTS}, {report.PAGE}, {report.PLOT}")


def cost(chats: int, **stage: Any) -> Any:
    """Return what a message costs with so many chats, in one run."""
    with tempfile.TemporaryDirectory() as name:
        found = measure.through_service(Path(name), chats, only_cost=True, **stage)
        return found["cost"]


def measured(chats: int, runs: int, *, tls: bool, **stage: Any) -> dict[str, Any]:
    """Return the medians for so many chats, each run with its floor before it."""
    direct, through = [], []
    with tempfile.TemporaryDirectory() as name:
        for run in range(1, runs + 1):
            now = f"{chats} chats, run {run} of {runs}"
            print(f"{now}: the floor ...", flush=True)
            direct.append(measure.floor(Path(name), chats, tls=tls))
            print(f"{now}: the service ...", flush=True)
            through.append(measure.through_service(Path(name), chats, tls=tls, **stage))
            print(f"  {report.line(through[-1])}", flush=True)
    return {"floor": median_of(direct), "service": median_of(through)}


if __name__ == "__main__":
    main()
