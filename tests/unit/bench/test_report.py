"""Medians, ratios and tables of the benchmark, and that a report kept as JSON is the same report."""

import json

import pytest

from bench import report
from bench.figures import OURS, WHOLE, Report, Run
from bench.floors import Floor, Floors
from bench.plot import against_floor, plot
from bench.surroundings import ROOT, surroundings

ABOUT = {
    "commit": "0123456789abcdef",
    "uncommitted_changes": False,
    "date": "2026-01-01T00:00:00Z",
    "machine": {"cores": 2, "memory": 8 << 30, "kernel": "6.1", "python": "3.11.7", "load": [0.5, 0.5, 0.5]},
}
MiB = 1 << 20


def run(value, *, useful=0, sent=None, cpu=1.0, peak=64, **extra):
    return Run(value, useful, cpu, peak * MiB, None if sent is None else 7, sent, extra)


def made(rows, failures=()):
    return Report(ABOUT, {"endpoint": "https://x"}, "test", 3, 60.0, rows, list(failures))


FULL = {
    "seq": {OURS: [run(400, useful=10**9, cpu=1.2), run(500, useful=10**9)], "rclone-full": [run(200)]},
    "ls-big": {OURS: [run(2)], "rclone-full": [run(3)]},
    "rand-4K": {OURS: [run(300, useful=100, sent=3200, peak=200)], "rclone-random": []},
    "small-close-to-open": {OURS: []},
}


def test_a_report_kept_is_the_same_report(tmp_path):
    written = made(FULL, ["small-close-to-open mountd: broken"])
    written.write(tmp_path / "there" / "report.json")
    assert Report.read(tmp_path / "there" / "report.json") == written


def test_figures_are_medians_and_of_the_whole_table_the_largest():
    found = made(FULL)
    assert found.median("seq", OURS, "value") == 450
    assert found.median("seq", OURS, "cpu_seconds_a_gb") == pytest.approx(1.1)
    assert found.median("rand-4K", OURS, "amplification") == 32
    assert found.median(WHOLE, OURS, "peak_mib") == 200


def test_a_figure_that_is_not_there_is_none():
    found = made(FULL)
    assert found.median("small-close-to-open", OURS, "value") is None
    assert found.median("never measured", OURS, "value") is None
    assert found.median("seq", OURS, "amplification") is None
    assert found.median("ls-big", OURS, "cpu_seconds_a_gb") is None
    assert found.median("seq", OURS, "requests_an_open") is None
    assert made({"seq": {OURS: [run(1, requests_an_open=1)]}}).median("seq", OURS, "requests_an_open") == 1


def test_a_ratio_above_one_is_better_in_both_directions():
    found = made(FULL)
    assert report.ratio(found, "seq", "rclone-full") == 2.25
    assert report.ratio(found, "ls-big", "rclone-full") == 1.5
    assert report.ratio(found, "rand-4K", "rclone-random") is None
    assert report.ratio(found, "small-close-to-open", "") is None


FLOORS = Floors(
    "test",
    "for this test",
    100,
    (
        Floor("seq", "value", times_rclone_full=2.0),
        Floor("seq", "cpu_seconds_a_gb", most=1.0, fixed=True),
        Floor("ls-big", "value", most=6.0),
        Floor("small-close-to-open", "value", most=1.0),
    ),
)


def test_every_row_stands_in_the_table_even_if_it_failed():
    header, *rows = report.speeds(made(FULL), FLOORS)
    assert header == ["row", "unit", "mountd", "rclone", "as", "ratio", "floor", "kept"]
    assert rows == [
        ["seq", "MB/s", "450 (400–500)", "200", "full", "2.25", "≥ 400, ≤ 1 CPU s/GB", "NO"],
        ["ls-big", "s", "2", "3", "full", "1.50", "≤ 3", "yes"],
        ["rand-4K", "reads/s", "300", "failed", "random", "–", "–", "–"],
        ["small-close-to-open", "files/s", "failed", "–", "–", "–", "≤ 0.5", "NO"],
    ]


def test_costs_are_shown_where_the_storage_tells():
    header, *rows = report.costs(made(FULL))
    random, largest = (dict(zip(header, rows[at], strict=True)) for at in (2, -1))
    assert random["requests"] == "7"
    assert random["net÷useful"] == "32.00"
    assert random["net÷useful rclone"] == random["requests rclone"] == "–"
    assert largest["peak MiB"] == "200"


def test_a_document_says_what_each_row_is_and_where_the_figures_are_from(tmp_path):
    text = report.markdown(made(FULL), FLOORS)
    assert "Commit 0123456789, 2026-01-01" in text
    assert "2.00 times the floors' reference" in text
    assert "1 GiB of one file in order" in text
    for block in text.split("\n\n")[1:]:
        assert len({len(line) for line in block.splitlines()}) == 1


def test_the_command_reads_the_file(tmp_path, capsys):
    made({"seq": FULL["seq"]}).write(tmp_path / "r.json")
    assert report.main([str(tmp_path / "r.json"), "--markdown"]) == 0
    assert "| seq " in capsys.readouterr().out
    assert report.main([str(tmp_path / "r.json"), "--check"]) == 1
    assert "no floors are known" in capsys.readouterr().err
    assert report.main([str(tmp_path / "r.json"), "--check", "--floors", "B"]) == 1
    assert "seq: 450 MB/s is below its floor of 480" in capsys.readouterr().err


def test_a_plot_is_a_picture_and_its_bars_are_ratios(tmp_path):
    found = made(FULL)
    assert against_floor(found, FLOORS, "seq") == pytest.approx(450 / 400)
    assert against_floor(found, FLOORS, "ls-big") == 1.5
    assert against_floor(found, FLOORS, "small-close-to-open") is None
    for floors in (FLOORS, None):
        plot(found, floors, tmp_path / "plot.png")
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("what", ["commit", "date", "machine"])
def test_a_report_says_where_and_when(what):
    assert surroundings()[what]


FOREIGN = {
    "net": "ttfb_ms=10&conn_mbps=60",
    "rounds": 1,
    "results": {
        "rand-4K": {
            "mountd": [
                {"ops_per_s": 350.0, "bytes": 1000, "daemon_cpu_s": 1.5, "daemon_rss_mb": 200, "requests": 9, "server_mb_out": 0.03}
            ],
            "rclone-full": [{"error": "no end after 180 s"}],
            "rclone-random": [
                {"ops_per_s": 250.0, "bytes": 1000, "daemon_cpu_s": 1.0, "daemon_rss_mb": 90, "requests": 8, "server_mb_out": 0.2}
            ],
        },
        "write-seq": {"mountd": [{"error": "read-only"}]},
    },
}  # fmt: skip


def test_another_harnesss_report_is_read_and_kept_as_ours(tmp_path, capsys):
    (tmp_path / "out.json").write_text(json.dumps(FOREIGN))
    assert report.main([str(tmp_path / "out.json"), "--json", str(tmp_path / "ours.json")]) == 0
    assert "| rand-4K     | 1.50" in capsys.readouterr().out
    found = Report.read(tmp_path / "ours.json")
    assert found.floors == "A"
    assert list(found.rows) == ["rand-4K"]
    assert found.median("rand-4K", OURS, "amplification") == 30
    assert found.failures == ["rand-4K rclone-full: no end after 180 s"]
    assert report.best_other(found, "rand-4K") == "rclone-random"
    assert report.ratio(found, "rand-4K", "rclone-random") == 1.4


def test_a_document_is_written_anew_from_the_reports_it_names(tmp_path):
    made({"seq": FULL["seq"]}).write(tmp_path / "r.json")
    document = tmp_path / "document.md"
    document.write_text(f"# Title\n\n<!-- {tmp_path}/r.json -->\nold\n<!-- end -->\n\nText.\n")
    assert report.main([str(document), "--document"]) == 0
    text = document.read_text()
    assert text.startswith("# Title\n")
    assert text.endswith("<!-- end -->\n\nText.\n")
    assert "| seq | MB/s" in text
    assert "old" not in text
    assert report.current(document) == text


def test_the_tables_of_the_document_are_what_the_reports_say():
    document = ROOT / "docs" / "PERFORMANCE.md"
    assert report.TABLE.search(document.read_text())
    assert report.current(document) == document.read_text(), "make docs writes them anew"
