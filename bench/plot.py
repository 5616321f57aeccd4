"""The table as a picture: mountd against rclone, and mountd against its floors, a bar a row."""

from pathlib import Path

from bench.figures import OURS, Report
from bench.floors import Floors
from bench.report import best_other, ranged, ratio
from bench.rows import ROWS

GOOD, BAD, PLAIN = "#2a9d8f", "#d1495b", "#457b9d"


def against_floor(report: Report, floors: Floors, row: str) -> float | None:
    """How many times better than its floor the row's figure is."""
    scale = floors.scale(report)
    floor = next((floor for floor in floors.of(row) if floor.figure == "value"), None)
    figure = report.median(row, OURS, "value")
    if floor is None or scale is None or not figure:
        return None
    bound = floor.bound(report, scale)
    if not bound:
        return None
    return bound / figure if floor.most is not None else figure / bound


def plot(report: Report, floors: Floors | None, file: Path) -> None:
    """A PNG. Two panels: times as good as rclone (logarithmic), times as good as the floor."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    names = list(reversed(report.rows))
    figure, (left, right) = pyplot.subplots(
        1, 2, sharey=True, figsize=(11, 0.38 * len(names) + 1.6), layout="constrained"
    )
    for at, name in enumerate(names):
        times = ratio(report, name, best_other(report, name))
        if times:
            left.barh(at, times - 1, left=1, color=PLAIN if times >= 1 else BAD)
            left.annotate(f" {times:.2f}", (max(times, 1), at), va="center", fontsize=8)
        margin = against_floor(report, floors, name) if floors else None
        if margin:
            right.barh(at, margin, color=GOOD if margin >= 1 else BAD)
            right.annotate(f" {margin:.2f}", (margin, at), va="center", fontsize=8)
    left.set_yticks(
        range(len(names)), [f"{name}   {ranged(report, name, OURS)} {ROWS[name].unit}" for name in names], fontsize=8
    )
    left.set(xscale="log", title="mountd : rclone")
    left.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    left.xaxis.set_major_formatter("{x:g}")
    left.xaxis.set_minor_formatter(ticker.NullFormatter())
    right.set(title=f"mountd : floor {floors.name if floors else ''}")
    for axes in (left, right):
        axes.axvline(1, color="black", linewidth=0.8)
        axes.margins(x=0.12)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"commit {report.about['commit'][:10]}, {report.about['date']}", fontsize=9)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
