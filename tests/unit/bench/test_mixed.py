"""The mixed load's own rules: whatever is wrong is found. And a short one as a test."""

import errno
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.growth import Allowed, growth
from bench.mixed import readers
from bench.mixed.content import PERIOD, Content
from bench.mixed.readers import Mounted, Wrong
from bench.node import Sample
from bench.records import Records, recorded
from mountd.emulator import Emulator

SMALL = Content(
    streams=1, stream_size=1 << 20, big_size=1 << 20, folders=2, files_a_folder=6, largest_small=9000, tree_folders=2
)


class Folder:
    """Stands for the emulator's container: the contents on the local disk."""

    def __init__(self, root):
        self.root = root

    def put(self, key, data):
        (self.root / key).parent.mkdir(parents=True, exist_ok=True)
        (self.root / key).write_bytes(data)

    def fill(self, key, pattern, size):
        self.put(key, (pattern * (size // len(pattern) + 1))[:size])


@pytest.fixture
def mounted(tmp_path):
    root = tmp_path / "root"
    SMALL.into(Folder(root))
    return Mounted(root, SMALL, Records(tmp_path / "seen"), "test")


def lived(mounted, habit, tmp_path):
    """One habit for a moment; its findings."""
    readers.read(habit, mounted.root, SMALL, tmp_path / "seen", (1, time.monotonic() + 0.05))
    return [record["sentence"] for record in recorded(tmp_path / "seen") if record["what"] == "wrong"]


def test_the_emulator_holds_what_is_expected():
    with Emulator() as emulator:
        container = emulator.container("there")
        SMALL.into(container)
        assert set(container.keys()) == set(SMALL.sizes)
        for key, size in SMALL.sizes.items():
            assert container.get(key) == SMALL.expected(key, 0, size)


def test_a_large_file_repeats_at_no_blocks_distance():
    large = Content()
    key = "random/big.bin"
    assert PERIOD % 4096
    assert large.expected(key, PERIOD + 5, 100) == large.expected(key, 5, 100)
    assert large.expected(key, 4 << 20, 100) != large.expected(key, 0, 100)
    assert large.expected("stream/0.bin", 0, 100) != large.expected("stream/1.bin", 0, 100)
    assert len(large.expected(key, large.sizes[key] - 3, 100)) == 3
    assert len(large.expected(key, large.sizes[key] + 3, 100)) == 0


@pytest.mark.parametrize("habit", ["streams", "random", "small files", "walks"])
def test_right_bytes_and_names_are_no_finding(mounted, habit, tmp_path):
    assert lived(mounted, habit, tmp_path) == []
    seen = [record for record in recorded(tmp_path / "seen") if record["what"] == "seen"]
    assert sum(record["bytes"] + record["entries"] for record in seen) > 0


@pytest.mark.parametrize(
    ("habit", "key"), [("streams", "stream/0.bin"), ("random", "random/big.bin"), ("small files", None)]
)
def test_a_wrong_byte_is_found(mounted, habit, key, tmp_path):
    for name in [key] if key else [name for name in SMALL.sizes if name.startswith("small/")]:
        data = (mounted.root / name).read_bytes()
        (mounted.root / name).write_bytes(bytes(byte ^ 1 for byte in data))
    assert any("differing at 0" in sentence for sentence in lived(mounted, habit, tmp_path))


def test_bytes_of_another_place_and_a_short_end_are_found(mounted):
    key = "stream/0.bin"
    with pytest.raises(Wrong, match="differing at 0"):
        mounted.check(key, 4096, 100, bytes(SMALL.expected(key, 0, 100)))
    with pytest.raises(Wrong, match="99 read, 100 expected"):
        mounted.check(key, 0, 100, bytes(SMALL.expected(key, 0, 99)))


def test_a_wrong_size_is_found(mounted, tmp_path):
    with open(mounted.root / "stream/0.bin", "ab") as file:
        file.write(b"x")
    assert any("size" in sentence for sentence in lived(mounted, "streams", tmp_path))


def test_a_missing_name_is_found(mounted, tmp_path):
    for key in SMALL.tree:
        if key.endswith("000.txt"):
            (mounted.root / key).unlink()
    assert any("first difference" in sentence for sentence in lived(mounted, "walks", tmp_path))


def test_no_errno_is_forgiven(mounted, tmp_path, monkeypatch):
    def refused(mounted, choose: random.Random, until):
        raise OSError(errno.EIO, "no answer")

    monkeypatch.setitem(readers.HABITS, "streams", refused)
    assert any(sentence.startswith("EIO") for sentence in lived(mounted, "streams", tmp_path))


def samples(**course):
    constant = {"memory": lambda at: 200 << 20, "open_files": lambda at: 50, "threads": lambda at: 40}
    return [
        Sample(life=1, at=float(at), cpu_seconds=0.0, bugs=0.0, **{name: of(at) for name, of in (constant | course).items()})
        for at in range(60)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("course", "sentence"),
    [
        ({"memory": lambda at: (100 << 20) + at * (1 << 20)}, "memory grew from"),
        ({"open_files": lambda at: 50 + at}, "open files grew from"),
        ({"threads": lambda at: 20 + at // 2}, "threads grew from"),
    ],
)
def test_growth_is_found(course, sentence):
    figures, wrong = growth(samples(), Allowed())
    assert not wrong
    assert figures["memory_mib_a_minute"] == 0
    _, wrong = growth(samples(**course), Allowed())
    assert [line for line in wrong if line.startswith(sentence)]


@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.usefixtures("_fuse")
def test_a_short_mixed_load_finds_nothing(tmp_path):
    words = ["--short", "--minutes", "0.1", "--json", tmp_path / "report.json"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.mixed", *words],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"commit", "date", "machine", "seed", "faults", "peak_mib", "second_half", "series"} <= set(report)
    assert report["wrong"] == []
    assert report["bytes_verified"] > 1 << 20
    assert set(report["seen"]) == set(readers.HABITS)
    assert sum(rule["happened"] for rule in report["faults"] if rule["kind"] != "latency") > 0
