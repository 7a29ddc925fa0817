"""Measure all sizes, and write what came of it down: `make bench`.

`BENCH_CHATS` (100,500,1000,2000), `BENCH_RUNS` (3; the medians count),
`BENCH_DATABASE` (postgresql or sqlite), `BENCH_TLS` (1; 0 to compare) and
`BENCH_SERVERS` (1; two processes on one database) say what is measured.
"""

import json
import os
import resource
import statistics
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
    sizes = [
        int(n) for n in os.environ.get("BENCH_CHATS", "100,500,1000,2000").split(",")
    ]
    runs = int(os.environ.get("BENCH_RUNS", "3"))
    tls = os.environ.get("BENCH_TLS", "1") != "0"
    database = os.environ.get("BENCH_DATABASE", "postgresql")
    servers = int(os.environ.get("BENCH_SERVERS", "1"))
    found: dict[str, Any] = {
        "machine": report.machine(),
        "taken_on": time.strftime("%Y-%m-%d"),
        "runs": runs,
        "tls": tls,
        "database": database,
        "servers": servers,
        "chats": {},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for chats in sizes:
            direct, through = [], []
            for run in range(1, runs + 1):
                print(f"{chats} chats, run {run} of {runs}: the floor ...", flush=True)
                direct.append(measure.floor(folder, chats, tls=tls))
                print(
                    f"{chats} chats, run {run} of {runs}: the service ...", flush=True
                )
                through.append(
                    measure.through_service(
                        folder, chats, tls=tls, database=database, servers=servers
                    )
                )
                print(f"  {report.line(through[-1])}", flush=True)
            found["chats"][str(chats)] = {
                "floor": median_of(direct),
                "service": median_of(through),
            }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    report.write(found)
    print(f"written: {RESULTS}, {report.PAGE}, {report.PLOT}")


if __name__ == "__main__":
    main()
