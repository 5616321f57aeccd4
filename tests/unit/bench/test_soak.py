"""The soak's own rules: what a body says of itself, what may be seen when, and that whatever is wrong is found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.node import Sample
from bench.soak.judge import ANSWER, TTL, Judge, of_memory
from bench.soak.readers import OpenFile, WrongBytes
from bench.soak.truth import ABSENT, Change, History, body, generation_in, size_of

LONG_AGO = float("-inf")
LATE = TTL + ANSWER + 1
CHANGES = [
    Change("replaced/001.bin", 1, LONG_AGO, LONG_AGO),
    Change("replaced/001.bin", 2, 100.0, 101.0),
    Change("replaced/001.bin", ABSENT, 200.0, 201.0),
    Change("stable/a", 1, LONG_AGO, LONG_AGO),
    Change("churn/new", 1, 300.0, 301.0),
]


@pytest.fixture
def file(tmp_path):
    key = "replaced/001.bin"
    (tmp_path / key).parent.mkdir()
    (tmp_path / key).write_bytes(body(key, 3))
    opened = OpenFile(tmp_path, key)
    yield opened
    opened.close()


@pytest.mark.parametrize("offset", [0, 1, 15, 16, 17, 40])
def test_any_part_says_of_which_version_it_is(offset):
    whole = body("a", 7)
    assert len(whole) == size_of("a", 7)
    assert whole[offset : offset + 48] == body("a", 7, offset, offset + 48)
    assert generation_in("a", offset, whole[offset : offset + 48]) == 7
    assert generation_in("b", offset, whole[offset : offset + 48]) is None


def test_a_file_read_right_is_no_finding(file):
    file.read(0, 64)
    file.read(3, 10**6)
    assert file.generation == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, key: data[:-1],
        lambda data, key: data + b"x",
        lambda data, key: data[:50] + bytes([data[50] ^ 1]) + data[51:],
        lambda data, key: body(key, 3, 16, 16 + len(data)),  # the right version, the wrong place
        lambda data, key: body("another", 3, 0, len(data)),
        lambda data, key: data[:64] + body(key, 4, 64, len(data)),  # a mixture
    ],
)
def test_wrong_bytes_are_found(file, damage):
    data = body(file.key, 3, 0, 4096)
    with pytest.raises(WrongBytes):
        file.check(0, 4096, damage(data, file.key)[:4097])


def test_two_versions_through_one_handle_are_found(file):
    file.read(0, 64)
    with pytest.raises(WrongBytes, match="generations 3 and 4"):
        file.check(0, 64, body(file.key, 4, 0, 64))


@pytest.mark.parametrize(
    ("since", "until", "possible"),
    [(0, 50, {1}), (0, 100.5, {1, 2}), (101.5, 150, {2}), (150, 250, {2, ABSENT}), (202, 250, {ABSENT})],
)
def test_what_a_key_may_have_been(since, until, possible):
    assert set(History(CHANGES).possible("replaced/001.bin", since, until)) == possible


def test_before_it_came_it_was_absent():
    assert set(History(CHANGES).possible("churn/new", 0, 299)) == {ABSENT}


def read_record(generation, since, **more):
    return {
        "what": "read", "job": "random", "key": "replaced/001.bin", "generation": generation, "bytes": 10, "longest": 0.1,
        "since": since, "until": since + 1, **more,
    }  # fmt: skip


def error_record(name, key="stable/a", since=50.0, *, opened=False, job="random"):
    return {"what": "error", "job": job, "key": key, "errno": name, "since": since, "until": since, "opened": opened}


def walk_record(entries, since, complete=True):
    return {"what": "walk", "entries": entries, "complete": complete, "since": since, "until": since + 1}


def verdict(*records, outages=()):
    return Judge(History(CHANGES), outages).all(records)


def test_an_old_version_may_be_read_for_the_ttl():
    assert not verdict(read_record(1, 105.0)).wrong
    assert verdict(read_record(1, 101.0 + LATE)).wrong
    assert verdict(read_record(2, 98.0)).wrong  # not yet written when it was read


def test_a_name_that_is_there_is_never_answered_as_absent():
    assert verdict(error_record("ENOENT")).wrong
    assert verdict(error_record("ENOENT", "replaced/001.bin", 150.0)).wrong
    assert not verdict(error_record("ENOENT", "replaced/001.bin", 201.5)).wrong
    assert not verdict(error_record("ENOENT", "churn/new", 305.0)).wrong
    assert not verdict(error_record("ENOENT"), outages=[(49, 51)]).wrong


def test_stale_is_for_replaced_files_only():
    assert verdict(error_record("ESTALE", opened=True)).wrong
    assert not verdict(error_record("ESTALE", "replaced/001.bin", 110.0, opened=True)).wrong


def test_a_mount_that_died_by_itself_is_found():
    assert verdict(error_record("ENOTCONN")).wrong
    assert not verdict(error_record("ENOTCONN"), outages=[(49, 51)]).wrong


def test_faults_may_fail_few_handles():
    few = [error_record("EIO", opened=True)] * 10
    assert not verdict(*few).wrong
    assert verdict(*few, *few).wrong


def test_a_walk_shows_everything_with_its_size_and_nothing_else():
    there = {"stable/a": size_of("stable/a", 1), "replaced/001.bin": size_of("replaced/001.bin", 2)}
    assert not verdict(walk_record(there, 150.0)).wrong
    assert verdict(walk_record({**there, "stable/a": 1}, 150.0)).wrong
    assert verdict(walk_record({**there, "never/was": 1}, 150.0)).wrong
    assert verdict(walk_record({"stable/a": there["stable/a"]}, 150.0)).wrong
    assert not verdict(walk_record({"stable/a": there["stable/a"]}, 150.0, complete=False)).wrong
    assert verdict(walk_record(there, 201.0 + LATE)).wrong  # deleted long ago


def samples(memory, files=lambda at: 40, threads=lambda at: 20, bugs=0.0):
    return [Sample(2, float(at), int(memory(at)), files(at), threads(at), 0.0, bugs) for at in range(90)]


def test_constant_memory_and_files_are_no_finding():
    figures, wrong = of_memory(samples(lambda at: 100 << 20), [120 << 20])
    assert not wrong
    assert figures["calm"]["memory_mib_a_minute"] == 0


def test_a_life_of_seconds_is_warming_up():
    _, wrong = of_memory(samples(lambda at: (100 << 20) + at * (4 << 20))[:15], [200 << 20])
    assert not wrong


@pytest.mark.parametrize(
    ("measured", "peak", "sentence"),
    [
        (samples(lambda at: (100 << 20) + at * (1 << 20)), 200 << 20, "memory grew"),
        (samples(lambda at: 100 << 20, files=lambda at: 20 + at), 120 << 20, "open files grew"),
        (samples(lambda at: 100 << 20, threads=lambda at: 20 + at // 3), 120 << 20, "threads grew from"),
        (samples(lambda at: 100 << 20), 400 << 20, "peak memory"),
        (samples(lambda at: 100 << 20, bugs=1.0), 120 << 20, "mountd_bugs_total 1"),
    ],
)
def test_leaks_and_bugs_are_found(measured, peak, sentence):
    _, wrong = of_memory(measured, [peak])
    assert [line for line in wrong if sentence in line]


@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.usefixtures("_fuse")
def test_a_short_soak_finds_nothing(tmp_path):
    """A quarter of a minute of it with kills: it runs, and what it found in the past stays mended."""
    words = ["--minutes", "0.25", "--seed", "3", "--json", tmp_path / "report.json"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", *words],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"commit", "date", "machine", "seed", "faults", "memory", "kills", "errors"} <= set(report)
    assert report["wrong"] == []
    assert report["bytes_verified"] > 1 << 20
    assert report["memory"]["bugs"] == 0
