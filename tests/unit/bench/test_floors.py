"""The floors: what the file says is what the issue's table says, and a check that cannot fail would be found here."""

import re
from dataclasses import replace

import pytest

from bench import report
from bench.figures import FIGURES, OURS, WHOLE, Report, Run
from bench.floors import FILE, RCLONE_FULL, Floor, Floors, sets
from bench.rows import ROWS
from tests.unit.bench.test_report import ABOUT

OWN_FIGURES = {"requests_an_open", "files_a_second"}
"""What workloads give beside their value."""


def kept(floors, scale=1.0, tune=None):
    """A report in which every figure stands exactly on its floor; `tune(floor)` moves figures: times worse."""
    rows = {row: {OURS: [_run(floors, row, scale, tune)]} for row in ROWS}
    rows["seq"][RCLONE_FULL] = [Run(floors.reference * scale, 1, 1.0, 1)]
    rows["seq-par4"][RCLONE_FULL] = [Run(500.0, 1, 1.0, 1)]
    return Report(ABOUT, {}, floors.name, 1, 1.0, rows, [])


def _run(floors, row, scale, tune):
    figures = {"value": 1.0}
    for floor in (*floors.of(row), *floors.of(WHOLE)):
        reference = {"seq": floors.reference * scale, "seq-par4": 500.0}.get(row, 0)
        factor = 1 if floor.fixed else min(scale, 1) if floor.round_trips else scale
        if floor.times_rclone_full:
            exact = floor.times_rclone_full * reference
        else:
            exact = floor.least * factor if floor.least else floor.most / factor
        worse = tune(floor) if tune else 1
        figures[floor.figure] = exact / worse if floor.most is None else exact * worse
    useful = 10**9
    return Run(
        value=figures["value"],
        useful=useful,
        cpu_seconds=figures.get("cpu_seconds_a_gb", 1.0),
        peak_memory=int(figures.get("peak_mib", 1) * (1 << 20)),
        requests=1,
        sent=int(figures.get("amplification", 1) * useful),
        extra={name: figures[name] for name in OWN_FIGURES & set(figures)},
    )


EVERY = [(floors, floor) for floors in sets().values() for floor in floors.floors]


def named(pair):
    floors, floor = pair
    return f"{floors.name} {floor.row} {floor.figure}"


@pytest.mark.parametrize("floors", sets().values(), ids=list(sets()))
def test_figures_on_their_floors_pass(floors):
    for scale in (1.0, 0.7, 1.4):
        better = kept(floors, scale, lambda floor: 0.999)
        assert floors.below(better) == []
        assert report.verdict(better, floors) == 0


@pytest.mark.parametrize("pair", EVERY, ids=map(named, EVERY))
def test_each_figure_below_its_floor_fails_and_is_named(pair, capsys):
    floors, worse = pair
    found = kept(floors, tune=lambda floor: 1.01 if floor == worse else 0.999)
    assert report.verdict(found, floors) == 1
    assert re.search(
        rf"^{worse.row}( {worse.figure})?: .*(below|above) its floor", capsys.readouterr().err, re.MULTILINE
    )
    assert len(floors.below(found)) == 1


@pytest.mark.parametrize("pair", EVERY, ids=map(named, EVERY))
def test_each_figure_that_is_missing_fails_and_is_named(pair):
    floors, missing = pair
    found = kept(floors, tune=lambda floor: 0.999)
    if missing.row == WHOLE:
        found = replace(found, rows={"seq": {OURS: [], RCLONE_FULL: found.rows["seq"][RCLONE_FULL]}})
    elif missing.figure in FIGURES and missing.figure != "amplification":
        found.rows[missing.row][OURS] = []
    else:
        found.rows[missing.row][OURS] = [replace(found.rows[missing.row][OURS][0], sent=None, extra={})]
    name = missing.row if missing.figure == "value" else f"{missing.row} {missing.figure}"
    assert f"{name}: no figure" in floors.below(found)


def test_without_rclone_nobody_knows_how_fast_the_machine_is():
    floors = sets()["A"]
    found = kept(floors, tune=lambda floor: 0.5)
    found.rows["seq"][RCLONE_FULL] = []
    assert floors.below(found) == ["seq: rclone-full was not measured: nobody can say how fast this machine is"]


def test_a_row_that_failed_fails_the_check(capsys):
    floors = sets()["A"]
    found = replace(kept(floors, tune=lambda floor: 0.9), failures=["find rclone-full: RuntimeError: it ended"])
    assert report.verdict(found, floors) == 1
    assert "find rclone-full" in capsys.readouterr().err


def test_rows_that_were_not_chosen_are_not_held_against_anything():
    floors = sets()["A"]
    found = kept(floors, tune=lambda floor: 0.9)
    assert floors.below(replace(found, rows={"seq": found.rows["seq"]})) == []


@pytest.mark.parametrize(
    ("floor", "scale", "bound"),
    [
        (Floor("find", "value", least=100), 0.5, 50),
        (Floor("find", "value", least=100), 2, 200),
        (Floor("rand-4K", "value", least=100, round_trips=True), 0.5, 50),
        (Floor("rand-4K", "value", least=100, round_trips=True), 2, 100),
        (Floor("ls-big", "value", most=2), 0.5, 4),
        (Floor("rand-4K", "amplification", most=32, fixed=True), 0.5, 32),
    ],
)
def test_floors_follow_the_machine_where_they_may(floor, scale, bound):
    assert floor.bound(kept(sets()["A"]), scale) == bound


def test_the_sets_are_the_issues_and_the_emulators():
    assert set(sets()) == {"A", "B", "emulator-A", "emulator-B"}
    assert all("emulator" in sets()[name].title for name in ("emulator-A", "emulator-B"))


def test_the_file_names_only_rows_and_figures_that_there_are():
    for floors in sets().values():
        assert {floor.row for floor in floors.floors} == {*ROWS, WHOLE}, floors.name
        assert {floor.figure for floor in floors.floors} <= {*FIGURES, *OWN_FIGURES}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("value = {}", "needs one of"),
        ("value = { least = 1, most = 2 }", "needs one of"),
        ("value = { times_rclone_full = 2 }", "rival is not"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path, text, sentence):
    file = tmp_path / "floors.toml"
    file.write_text(f"[A]\ntitle = 'x'\nreference = 1\n[A.rand-4K]\n{text}\n")
    with pytest.raises(ValueError, match=sentence):
        sets(file)


ISSUE = {
    "A": {"seq": 2.2, "seq-par4": 1.7, "rand-128K": 290, "rand-4K": 345, "small-cold": 1500, "small-cold-8p": 1600,
          "small-warm": 3000, "small-hot": 5000, "find": 28000, "ls-big": 1.7, "parquet-like": 60, "parquet-like-4t": 215},
    "B": {"seq": 2.4, "seq-par4": 2.0, "rand-128K": 2400, "rand-4K": 3200, "small-cold": 1700, "small-cold-8p": 2000,
          "small-warm": 3000, "small-hot": 5000, "find": 33000, "ls-big": 1.2, "parquet-like": 400, "parquet-like-4t": 560},
}  # fmt: skip


@pytest.mark.parametrize("name", ISSUE)
def test_the_agreed_floors_stand_in_the_file(name):
    floors: Floors = sets(FILE)[name]
    values = {
        floor.row: floor.times_rclone_full or floor.least or floor.most
        for floor in floors.floors
        if floor.figure == "value"
    }
    assert ISSUE[name].items() <= values.items()
    assert floors.reference == {"A": 420, "B": 477}[name]
    cpu = next(floor for floor in floors.of("seq") if floor.figure == "cpu_seconds_a_gb")
    assert cpu.most == {"A": 1.25, "B": 1.05}[name]
    assert next(floors.of(WHOLE)).most == 300
