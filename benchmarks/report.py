"""How is a benchmark told? A table and a plot in `docs/`."""

import os
import platform
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "benchmarks.md"
PLOT = DOCS / "benchmarks.png"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
SOAK_BEGIN, SOAK_END = "<!-- soak -->", "<!-- end of soak -->"

# What the table says, with its place in the results and how it is written.
ROWS = (
    ("chats opened per second", ("opened_per_second",), "{:.0f}"),
    ("delivery agent to bot, p50 (ms)", ("to_bot", "p50_ms"), "{:.1f}"),
    ("delivery agent to bot, p99 (ms)", ("to_bot", "p99_ms"), "{:.1f}"),
    ("`/send`, p50 (ms)", ("to_agent", "p50_ms"), "{:.1f}"),
    ("`/send`, p99 (ms)", ("to_agent", "p99_ms"), "{:.1f}"),
    ("agent's words said", ("to_bot", "said"), "{:.0f}"),
    ("… lost", ("to_bot", "lost"), "{:.0f}"),
    ("… repeated", ("to_bot", "repeated"), "{:.0f}"),
    ("… out of order", ("to_bot", "out_of_order"), "{:.0f}"),
    ("customers' words said", ("to_agent", "said"), "{:.0f}"),
    ("… lost", ("to_agent", "lost"), "{:.0f}"),
    ("… repeated", ("to_agent", "repeated"), "{:.0f}"),
    ("… out of order", ("to_agent", "out_of_order"), "{:.0f}"),
    ("second polls", ("second_polls",), "{:.0f}"),
    ("errors", ("errors",), "{:.0f}"),
    ("memory, master and workers (MiB, PSS)", ("memory_mib",), "{:.0f}"),
    ("memory per chat (KiB)", ("memory_per_chat_kib",), "{:.0f}"),
    ("processor time per idle chat in 30 s (ms)", ("idle_cycle_ms",), "{:.1f}"),
    ("processor time per agent's message (ms)", ("cost", "agent_message_ms"), "{:.1f}"),
    ("processor time per `/send` (ms)", ("cost", "send_ms"), "{:.1f}"),
    (
        "messages a second, both ways, at which p99 passes 500 ms",
        ("cost", "limit_per_second"),
        "{:.0f}",
    ),
    ("database connections, peak", ("database_connections",), "{:.0f}"),
)


def machine() -> str:
    """Return what the figures were taken on, in one line."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in info if "model name" in line]
    kind = names[0] if names else platform.machine()
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({kind}), {gib:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def line(run: dict[str, Any]) -> str:
    """Return one run in a line."""
    to_bot, to_agent = run["to_bot"], run["to_agent"]
    wrong = sum(
        words[kind]
        for words in (to_bot, to_agent)
        for kind in ("lost", "repeated", "out_of_order")
    )
    cost = run["cost"]
    return (
        f"delivery {to_bot['p50_ms']:.1f} / {to_bot['p99_ms']:.1f} ms, "
        f"/send {to_agent['p50_ms']:.1f} / {to_agent['p99_ms']:.1f} ms, "
        f"cost {cost['agent_message_ms']:.1f} / {cost['send_ms']:.1f} ms, "
        f"{run['memory_mib']:.0f} MiB, opened {run['opened_per_second']:.0f}/s, "
        f"wrong {wrong}, errors {run['errors']}"
    )


def name(found: dict[str, Any]) -> str:
    """Return what was measured, as a heading."""
    database = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[found["database"]]
    parts = [database, _processes(found)]
    return ", ".join(parts if found["tls"] else [*parts, "without TLS"])


def _processes(found: dict[str, Any]) -> str:
    if found["servers"] > 1:
        return f"{found['servers']} servers, the bot's calls on the other one"
    count = found["processes"]
    return "one process" if count == 1 else f"{count} processes"


def write(everything: dict[str, Any]) -> None:
    """Write the tables into their place on the page, and draw the plot."""
    _put("\n".join(map(table, everything.values())), BEGIN, END)
    draw(next(iter(everything.values())))


def write_soak(found: dict[str, Any]) -> None:
    """Write what a soak has shown into its place on the page."""
    memory = found["memory_mib"]
    lines = (
        f"{found['taken_on']}; {found['machine']}.",
        f"{found['minutes']:.0f} minutes, {found['chats_at_a_time']} chats at a time,",
        f"{found['chats']} in all, and {found['words']} words of agents;",
        f"{found['errors']} errors. Memory between {memory['least']:.0f} and",
        f"{memory['most']:.0f} MiB, {memory['last']:.0f} at the end; slope",
        f"**{found['slope_mib_per_hour']:+.1f} MiB an hour**.",
    )
    _put("\n".join(lines) + "\n", SOAK_BEGIN, SOAK_END)


def _put(text: str, begin: str, end: str) -> None:
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(f"{before}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}")


def table(found: dict[str, Any]) -> str:
    """Return the results of one way to run the service as Markdown."""
    sizes = list(found["chats"])
    runs = "one run" if found["runs"] == 1 else f"medians of {found['runs']} runs"
    lines = [
        f"### {name(found)}",
        "",
        f"{found['taken_on']}; {runs}; {found['machine']}.",
        "",
        "| open chats | " + " | ".join(sizes) + " |",
        "|---|" + "---:|" * len(sizes),
    ]
    for title, path, form in ROWS:
        cells = [_cell(found["chats"][size], path, form) for size in sizes]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(size: dict[str, Any], path: tuple[str, ...], form: str) -> str:
    ours, floor = _at(size["service"], path), _at(size["floor"], path)
    cell = "–" if ours is None else form.format(ours)
    return (
        f"{cell} ({ours / floor:.1f}×)" if path[-1].endswith("_ms") and floor else cell
    )


def _at(figures: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        figures = figures.get(key) if figures else None
    return figures


def draw(found: dict[str, Any]) -> None:
    """Draw delivery times and memory against open chats."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sizes = [int(size) for size in found["chats"]]
    figure, (times, memory) = pyplot.subplots(1, 2, figsize=(11, 4.2))
    for kind, colour in (("service", "#1f77b4"), ("floor", "#7f7f7f")):
        for mark, style in (("p50_ms", "-"), ("p99_ms", "--")):
            values = [found["chats"][str(n)][kind]["to_bot"][mark] for n in sizes]
            label = f"{kind}, {mark[:3]}"
            times.plot(sizes, values, style, color=colour, marker="o", label=label)
    times.set(xlabel="open chats", ylabel="ms", yscale="log", ylim=(1, 1000))
    times.set_title("an agent's words to the bot")
    times.legend(loc="upper left", ncols=2)
    used = [found["chats"][str(n)]["service"]["memory_mib"] for n in sizes]
    memory.plot(sizes, used, marker="o", color="#1f77b4")
    memory.set(xlabel="open chats", ylabel="MiB", ylim=(0, None))
    memory.set_title("memory, gunicorn master and workers")
    for axes in (times, memory):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(PLOT, dpi=110)
