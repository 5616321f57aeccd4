"""`python -m bench --quick`: it runs against the emulator, and every row is there. Not how fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import account_of, network, parser
from bench.dataset import LARGE, QUICK, RANDOM, Dataset, fill
from bench.workloads import WORKLOADS
from mountd.emulator import Emulator

ROOT = Path(__file__).parents[3]
PEERS = ["mountd", *(["rclone-off", "rclone-full"] if Path(sys.executable).with_name("rclone").exists() else [])]
"""rclone comes with the extra `bench`, which only `make bench` installs."""


@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.usefixtures("_fuse")
def test_quick_runs_and_every_row_is_there(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--peers", ",".join(PEERS), "--json", tmp_path / "report.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows == ["workload", *WORKLOADS] * 2
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"commit", "date", "machine", "dataset", "network", "rounds", "failures", "figures"} <= set(report)
    assert {"cores", "kernel", "python", "load"} <= set(report["machine"])
    assert report["failures"] == []
    for by_peer in report["figures"].values():
        assert set(by_peer) == set(PEERS)
        for (run,) in by_peer.values():
            assert run["value"] > 0
            assert run["requests"] > 0
            assert run["peak_memory"] > 0


def test_the_dataset_is_the_same_in_each_run():
    small = Dataset(
        large_size=100_000,
        random_size=250_000,
        small_files=3,
        small_size=1000,
        tree_folders=2,
        tree_files=2,
        flat_files=2,
    )
    assert list(small.objects()) == list(small.objects())
    assert small.pattern() == small.pattern()
    assert len({key for key, _ in small.objects()}) + 2 == small.blobs


def test_an_endpoint_is_filled_with_what_it_lacks():
    small = Dataset(
        large_size=100_000,
        random_size=250_000,
        small_files=3,
        small_size=1000,
        tree_folders=1,
        tree_files=2,
        flat_files=2,
    )
    with Emulator() as emulator:
        fill(emulator.endpoint, emulator.key, "there", small)
        container = emulator.container("there")
        assert len(container.keys()) == small.blobs
        assert container.get(LARGE) == small.pattern()
        assert container.get(RANDOM) == (small.pattern() * 3)[:250_000]
        container.put("small/00001.bin", b"damaged")
        emulator.requests.clear()
        fill(emulator.endpoint, emulator.key, "there", small)
        assert emulator.requests.count("PutBlob") == 1
        assert len(container.get("small/00001.bin")) == 1000


def test_the_quick_dataset_is_small():
    assert QUICK.large_size + QUICK.small_files * QUICK.small_size < 32 << 20
    assert QUICK.blobs < 3_000


@pytest.mark.parametrize(
    ("url", "account"),
    [("https://mine.blob.core.windows.net", "mine"), ("http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1")],
)
def test_the_account_is_read_from_the_url(url, account):
    assert account_of(url) == account


def test_the_network_asked_for_becomes_faults_of_the_emulator():
    from mountd.emulator.faults import fault

    rules = network(parser().parse_args(["--latency-ms", "10", "--connection-mbps", "60"]))
    assert [fault(rule).kind for rule in rules] == ["latency", "bandwidth"]
    assert fault(rules[0]).seconds == 0.01
    assert fault(rules[1]).bytes_per_second == 60e6
