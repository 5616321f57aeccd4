"""`python -m bench`: it runs against the emulator, and every row is there. Not how fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import measure
from bench.__main__ import Network, account_of, chosen, floors_for, network, parser
from bench.dataset import BIG, QUICK, Dataset, fill
from bench.figures import OURS, Report, Run
from bench.peers import PEERS
from bench.rows import ROWS
from bench.server import ControlUrl, Traffic
from mountd.emulator import Emulator

ROOT = Path(__file__).parents[3]
SMALL = Dataset(
    big_size=100_000,
    stream_size=250_000,
    parquet_size=120_000,
    small_files=3,
    small_size=1000,
    tree_folders=(2, 1),
    tree_files=2,
    flat_files=2,
    epoch_files=2,
    epoch_size=10,
)


@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.usefixtures("_fuse")
def test_quick_runs_and_every_row_is_there(tmp_path):
    words = ["--quick", "--network", "B", "--json", tmp_path / "report.json", "--plot", tmp_path / "plot.png"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows == ["row", *ROWS, "row", *ROWS, "the largest"]
    report = Report.read(tmp_path / "report.json")
    assert {"commit", "date", "machine"} <= set(report.about)
    assert report.failures == []
    for name, peers in report.rows.items():
        assert set(peers) == {OURS, ROWS[name].rival} - {""}
        for (run,) in peers.values():
            assert run.value > 0
            assert run.requests > 0
            assert run.peak_memory > 0
    assert report.median("small-close-to-open", OURS, "requests_an_open") == 1
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_dataset_is_the_same_in_each_run():
    assert list(SMALL.objects()) == list(SMALL.objects())
    assert SMALL.pattern() == SMALL.pattern()
    assert len({key for key, _ in SMALL.objects()} | set(SMALL.large_files())) == SMALL.blobs


def test_an_endpoint_is_filled_with_what_it_lacks():
    with Emulator() as emulator:
        fill(emulator.endpoint, emulator.key, "there", SMALL)
        container = emulator.container("there")
        assert len(container.keys()) == SMALL.blobs
        assert container.get(BIG) == SMALL.pattern()
        assert container.get("par/1.bin") == (SMALL.pattern() * 3)[:250_000]
        container.put("small/00001.bin", b"damaged")
        container.put("small/00002.bin", b"larger than need be" * 100)
        emulator.requests.clear()
        fill(emulator.endpoint, emulator.key, "there", SMALL)
        assert emulator.requests.count("PutBlob") == 1
        assert len(container.get("small/00001.bin")) == 1000


def test_the_emulator_is_filled_in_its_own_process():
    with Emulator() as emulator:
        container = emulator.container("there")
        SMALL.into(container)
        assert len(container.keys()) == SMALL.blobs


def test_the_quick_dataset_is_small():
    assert QUICK.big_size + QUICK.small_files * QUICK.small_size < 64 << 20
    assert QUICK.blobs < 4_000


@pytest.mark.parametrize(
    ("url", "account"),
    [("https://mine.blob.core.windows.net", "mine"), ("http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1")],
)
def test_the_account_is_read_from_the_url(url, account):
    assert account_of(url) == account


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Network(10, 60)),
        (["--network", "B"], Network()),
        (["--network", "C"], Network(30, 30)),
        (["--network", "B", "--latency-ms", "5"], Network(5, 0)),
        (["--connection-mbps", "0"], Network(10, 0)),
    ],
)
def test_the_network_asked_for_becomes_faults_of_the_emulator(words, expected):
    from mountd.emulator.faults import fault

    found = network(parser().parse_args(words))
    assert found == expected
    rules = [fault(rule) for rule in found.faults()]
    assert [rule.seconds for rule in rules if rule.kind == "latency"] == (
        [found.latency_ms / 1e3] if found.latency_ms else []
    )
    assert [rule.bytes_per_second for rule in rules if rule.kind == "bandwidth"] == (
        [found.connection_mbps * 1e6] if found.connection_mbps else []
    )


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "emulator-A"),
        (["--network", "B"], "emulator-B"),
        (["--endpoint", "https://mine.blob.core.windows.net"], "A"),
        (["--endpoint", "https://mine.blob.core.windows.net", "--network", "B"], "B"),
        (["--network", "C"], ""),
        (["--latency-ms", "5"], ""),
        (["--latency-ms", "5", "--floors", "A"], "A"),
    ],
)
def test_floors_are_those_of_the_network_and_of_the_storage(words, name):
    assert floors_for(parser().parse_args(words)) == name


def test_rows_come_in_the_tables_order_and_a_check_calibrates():
    assert chosen(parser().parse_args(["--rows", "find,rand-4K"])) == ["rand-4K", "find"]
    assert chosen(parser().parse_args(["--rows", "find,rand-4K", "--check"])) == ["seq", "rand-4K", "find"]
    with pytest.raises(ValueError, match="no row nothing"):
        chosen(parser().parse_args(["--rows", "nothing"]))


def test_every_rival_is_a_peer():
    assert {row.rival for row in ROWS.values()} <= {"", *PEERS}


class Clock:
    """A round takes what it is told to."""

    def __init__(self, *lasting):
        self.now, self.lasting = 0.0, list(lasting)

    def monotonic(self):
        return self.now


@pytest.fixture
def turns(monkeypatch):
    """Which peers are measured, in order; each run takes 10 s."""
    clock, seen = Clock(), []

    def once(row, peer, endpoint):
        clock.now += 10
        seen.append((row.name, peer))
        return Run(1.0, 1, 1.0, 1) if row.name != "find" else f"{row.name} {peer}: broken"

    monkeypatch.setattr(measure, "once", once)
    monkeypatch.setattr(measure, "time", clock)
    return seen


def test_mountd_and_its_rival_take_turns(turns):
    found = measure.rounds(None, [ROWS["seq"], ROWS["small-close-to-open"]], None, 2, 1000)
    assert turns == [
        ("seq", "mountd"), ("seq", "rclone-full"), ("small-close-to-open", "mountd"),
        ("seq", "rclone-full"), ("seq", "mountd"), ("small-close-to-open", "mountd"),
    ]  # fmt: skip
    assert found.rounds == 2
    assert len(found.results["seq"]["mountd"]) == 2


def test_no_round_is_begun_that_would_end_too_late(turns):
    rows = [ROWS["seq"], ROWS["rand-4K"]]
    assert measure.rounds(None, rows, None, 3, 119).rounds == 2
    assert measure.rounds(None, rows, None, 3, 121).rounds == 3
    assert measure.rounds(None, rows, None, 3, 1).rounds == 1


def test_what_failed_is_said_and_has_no_figure(turns):
    found = measure.rounds(None, [ROWS["find"]], "rclone-off", 1, 1000)
    assert found.failures == ["find mountd: broken", "find rclone-off: broken"]
    assert found.results == {"find": {"mountd": [], "rclone-off": []}}


class Answering(ControlUrl):
    """Understands one dialect."""

    def __init__(self, answers):
        super().__init__("http://127.0.0.1:1/account")
        self.answers = answers

    def call(self, method, path, words=None):
        if (method, path) in self.answers:
            return self.answers[method, path]
        raise json.JSONDecodeError("no", "", 0)


def test_a_storage_for_testing_tells_what_it_was_asked_for():
    ours = Answering({("GET", "/__emulator/requests"): {"total": 3, "operations": {"GetBlob": 3}, "sent": 5}})
    assert ours.traffic() == Traffic(3, {"GetBlob": 3}, 5)
    another = Answering({("GET", "/__sim/stats"): {"requests": 4, "bytes_sent": 6}})
    assert another.traffic() == Traffic(4, {}, 6)
    assert another.requests() == 4
    assert Answering({}).requests() is None
    assert ControlUrl("https://mine.blob.core.windows.net").traffic() is None
