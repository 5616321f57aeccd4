"""`python -m bench.report FILE`: what a run of the table found, as tables, as a plot, and held against its floors.

FILE is what `python -m bench --json FILE` wrote, or the other harness (harness.py): no figure is typed by anybody. With
`--document`, FILE is a Markdown document, and what stands between `<!-- REPORT.json -->` and `<!-- end -->` in it is written anew.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import harness
from bench.figures import OURS, WHOLE, Report
from bench.floors import Floors, sets
from bench.rows import ROWS
from bench.surroundings import ROOT, surroundings

NOTHING = "–"
COSTS = {
    "cpu_seconds": ("CPU s", "{:.2f}"),
    "cpu_seconds_a_gb": ("CPU s/GB", "{:.2f}"),
    "peak_mib": ("peak MiB", "{:.0f}"),
    "requests": ("requests", "{:.0f}"),
    "amplification": ("net÷useful", "{:.2f}"),
}
"""What each row cost: the figure, its heading, how it is shown."""


def main(words: Sequence[str] | None = None) -> int:
    found = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    found.add_argument("file", type=Path, metavar="FILE")
    found.add_argument("--markdown", action="store_true", help="the tables as docs/PERFORMANCE.md has them")
    found.add_argument(
        "--document", action="store_true", help="FILE is a document: write its tables anew from the reports it names"
    )
    found.add_argument(
        "--json", type=Path, metavar="FILE", help="the report in our own words, with machine and commit: to keep"
    )
    found.add_argument("--plot", type=Path, metavar="PNG")
    found.add_argument("--check", action="store_true", help="exit status 1 when a figure falls below its floor")
    found.add_argument("--floors", choices=sets(), help="(default: what the run was made for)")
    options = found.parse_args(words)
    if options.document:
        options.file.write_text(current(options.file))
        return 0
    report = read(options.file)
    floors = sets().get(options.floors or report.floors)
    print(markdown(report, floors) if options.markdown else text(report, floors))
    if options.json:
        report.write(options.json)
    if options.plot:
        from bench.plot import plot

        plot(report, floors, options.plot)
    return verdict(report, floors) if options.check else 0


def read(file: Path) -> Report:
    """Ours, or the other harness's: then of this machine and commit, and of the time the file was written."""
    words = json.loads(file.read_text())
    if not harness.is_foreign(words):
        return Report.read(file)
    written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(file.stat().st_mtime))
    return harness.read(words, {**surroundings(), "date": written})


TABLE = re.compile(r"(<!-- (\S+\.json) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def current(document: Path) -> str:
    """The document with every table as its report has it."""

    def written(found: re.Match[str]) -> str:
        report = read(ROOT / found[2])
        return f"{found[1]}\n{markdown(report, sets().get(report.floors))}\n{found[3]}"

    return TABLE.sub(written, document.read_text())


def verdict(report: Report, floors: Floors | None) -> int:
    """Says what is below its floor; the exit status. What failed has no figure, and is said too."""
    if floors is None:
        print("no floors are known for this network; choose with --floors", file=sys.stderr)
        return 1
    below = [*report.failures, *floors.below(report)]
    print(*below, sep="\n", file=sys.stderr)
    print(
        f"{len(below)} below the floors of {floors.name} ({floors.title})"
        if below
        else f"every floor of {floors.name} is kept"
    )
    return 1 if below else 0


def text(report: Report, floors: Floors | None) -> str:
    """For a terminal."""
    return "\n\n".join([about(report, floors), table(speeds(report, floors)), table(costs(report))])


def markdown(report: Report, floors: Floors | None) -> str:
    """For the document: with a sentence what each row is."""
    rows = speeds(report, floors)
    what = [["row", "what"], *([name, ROWS[name].what] for name in report.rows)]
    return "\n\n".join([about(report, floors), table(what), table(rows), table(costs(report))])


def about(report: Report, floors: Floors | None) -> str:
    """Where, when and of what: one paragraph."""
    machine, storage = report.about["machine"], report.storage
    dirty = " with uncommitted changes" if report.about["uncommitted_changes"] else ""
    network = ", ".join(f"{name}: {value}" for name, value in storage.items() if value and name != "dataset")
    scale = floors.scale(report) if floors else None
    lasted = f" in {report.seconds:.0f} s" if report.seconds else ""
    held = f" Floors of {floors.name}: {floors.title}." if floors else ""
    speed = f" By rclone's sequential read this machine was {scale:.2f} times the floors' reference." if scale else ""
    return (
        f"Commit {report.about['commit'][:10]}{dirty}, {report.about['date']}; {machine['cores']} cores, "
        f"{machine['memory'] / 2**30:.0f} GiB, Linux {machine['kernel']}, Python {machine['python']}, load before "
        f"{machine['load'][0]:.1f}. Storage: {network}. Medians of {report.rounds} rounds (range){lasted}; "
        f"a ratio above 1: mountd is better.{held}{speed}"
    )


def speeds(report: Report, floors: Floors | None) -> list[list[str]]:
    """Each row's figure, its rival's, their ratio, and its floors scaled to this machine."""
    rows = [["row", "unit", OURS, "rclone", "as", "ratio", "floor", "kept"]]
    for name in report.rows:
        row = ROWS[name]
        rival = best_other(report, name)
        found = ratio(report, name, rival)
        rows.append(
            [
                name,
                row.unit,
                ranged(report, name, OURS) or "failed",
                (ranged(report, name, rival) or "failed") if rival else NOTHING,
                rival.removeprefix("rclone-") or NOTHING,
                NOTHING if found is None else f"{found:.2f}",
                *_floors_of(report, name, floors),
            ]
        )
    return rows


def _floors_of(report: Report, row: str, floors: Floors | None) -> tuple[str, str]:
    """The floors' words, and whether all are kept."""
    scale = floors.scale(report) if floors else None
    if floors is None or scale is None:
        return NOTHING, NOTHING
    shown, kept = [], True
    for floor in floors.of(row):
        bound, figure = floor.bound(report, scale), report.median(row, OURS, floor.figure)
        name = "" if floor.figure == "value" else f" {COSTS.get(floor.figure, (floor.figure.replace('_', ' '), ''))[0]}"
        shown.append(NOTHING if bound is None else f"{'≤' if floor.most is not None else '≥'} {number(bound)}{name}")
        kept = kept and figure is not None and bound is not None and floor.kept(figure, bound)
    return ", ".join(shown) or NOTHING, ("yes" if kept else "NO") if shown else NOTHING


def best_other(report: Report, row: str) -> str:
    """The best of those that were measured beside mountd; "" where nobody was."""
    others = [peer for peer in report.rows[row] if peer != OURS]
    sign = 1 if ROWS[row].more_is_better else -1
    measured = [peer for peer in others if report.median(row, peer, "value") is not None]
    return max(
        measured, key=lambda peer: sign * (report.median(row, peer, "value") or 0), default=next(iter(others), "")
    )


def ratio(report: Report, row: str, rival: str) -> float | None:
    """How many times better mountd is; None where one of them has nothing."""
    ours, theirs = report.median(row, OURS, "value"), report.median(row, rival, "value")
    if not ours or not theirs:
        return None
    return ours / theirs if ROWS[row].more_is_better else theirs / ours


def costs(report: Report) -> list[list[str]]:
    """What each row cost, mountd beside its rival."""
    rows = [["row", *(f"{heading}{who}" for heading, _ in COSTS.values() for who in ("", " rclone"))]]
    for name in report.rows:
        rival = best_other(report, name)
        cells = [
            NOTHING if (found := report.median(name, peer, figure)) is None else form.format(found)
            for figure, (_, form) in COSTS.items()
            for peer in (OURS, rival)
        ]
        rows.append([name, *cells])
    peak = report.median(WHOLE, OURS, "peak_mib")
    return [*rows, ["the largest", *("" for _ in range(4)), NOTHING if peak is None else f"{peak:.0f}", *([""] * 5)]]


def ranged(report: Report, row: str, peer: str) -> str:
    """Median and range; "" where there is none."""
    values, middle = report.figures(row, peer, "value"), report.median(row, peer, "value")
    if middle is None:
        return ""
    return number(middle) + (f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 else "")


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, aligned for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


if __name__ == "__main__":
    sys.exit(main())
