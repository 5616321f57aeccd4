"""Medians, ratios and tables of the benchmark."""

import pytest

from bench import report
from bench.report import Run


def run(value, unit="MB/s", *, sent=None, useful=0, cpu=1.0):
    return Run(value, unit, unit != "s", useful, cpu, 64 << 20, None if sent is None else 7, None, sent)


def test_a_ratio_above_one_is_better_in_both_directions():
    assert report.ratio([run(300), run(100), run(200)], [run(100)]) == 2
    assert report.ratio([run(2, "s")], [run(3, "s")]) == 1.5


def test_a_peer_that_failed_has_no_ratio():
    assert report.ratio([run(1)], []) is None
    assert report.ratio([], [run(1)]) is None


def test_the_tables_have_a_row_for_each_workload_even_if_it_failed():
    results = {"sequential": {"ours": [run(400)], "theirs": [run(100)]}, "ls": {"ours": [], "theirs": [run(2, "s")]}}
    rows = report.speeds(results, ["ours", "theirs"])
    assert rows == [
        ["workload", "unit", "ours", "theirs", "ours : theirs"],
        ["sequential", "MB/s", "400", "100", "4.00"],
        ["ls", "s", "failed", "2", "–"],
    ]
    lines = report.text(rows).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_costs_are_shown_where_the_storage_tells():
    results = {"random": {"ours": [run(1, sent=300, useful=100)], "theirs": [run(1, useful=100)]}}
    header, row = report.costs(results, ["ours", "theirs"])
    shown = dict(zip(header, row, strict=True))
    assert shown["requests ours"] == "7"
    assert shown["net÷useful ours"] == "3.00"
    assert shown["net÷useful theirs"] == shown["requests theirs"] == "–"
    assert shown["CPU s ours"] == "1.00"
    assert shown["peak MiB theirs"] == "64"


@pytest.mark.parametrize("what", ["commit", "date", "machine"])
def test_a_report_says_where_and_when(what):
    assert report.surroundings()[what]
