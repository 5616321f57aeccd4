"""Many names through a real mount: shown as they come, and the kernel gives back what it remembers above the bound."""

import os
import time

import pytest

from mountd.emulator import Emulator, Fault
from tests.faults.mount.arranged import serving, until
from tests.fixtures.daemons import Node

pytestmark = pytest.mark.fuse

FLAT = 15_000
FOLDERS, IN_EACH = 12, 500
KNOWN = 2_000
PAUSE = 0.4
"""Seconds that the storage takes for a page."""


@pytest.fixture(scope="module")
def service(_fuse, tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    (folder / "mnt").mkdir()
    node = Node(folder)
    with Emulator() as emulator:
        container = emulator.container("data")
        for number in range(FLAT):
            container.put(f"flat/{number:06d}.jpg")
        for number in range(FOLDERS * IN_EACH):
            container.put(f"wide/{number % FOLDERS:02d}/{number // FOLDERS:04d}", b"x")
        more = f"mappings:\n  /data: {{datastore: box, ttl: 300s}}\ntree: {{known_inodes: {KNOWN}}}\n"
        try:
            yield emulator, serving(node, more=more, box=emulator)
        finally:
            node.clean()


def known(node: Node) -> int:
    """Inodes that the daemon believes the kernel to remember."""
    for line in node.control("metrics").stdout.splitlines():
        if line.startswith("mountd_inodes "):
            return int(float(line.split()[1]))
    raise AssertionError("the metric is missing")


def test_first_entries_come_before_the_last_page(service):
    emulator, node = service
    top = node.path / "data" / "flat"
    os.stat(top)
    emulator.faults.set(Fault("latency", seconds=PAUSE))
    began = time.monotonic()
    with os.scandir(top) as entries:
        next(entries)
        first = time.monotonic() - began
        count = 1 + sum(1 for _ in entries)
    took = time.monotonic() - began
    emulator.faults.clear()
    assert count == FLAT
    assert took > 3 * PAUSE
    assert first < took - PAUSE


def test_the_kernel_forgets_what_is_above_the_bound(service):
    _, node = service
    wide = node.path / "data" / "wide"
    for name in sorted(os.listdir(wide)):
        assert len(os.listdir(wide / name)) == IN_EACH
    until(lambda: known(node) <= KNOWN * 1.3, 10, f"{known(node)} inodes are known")
    assert os.stat(wide / "00" / "0000").st_size == 1


def test_a_name_that_a_complete_listing_lacks_costs_nothing(service):
    emulator, node = service
    top = node.path / "data" / "wide" / "03"
    os.listdir(top)
    emulator.requests.clear()
    for number in range(200):
        assert not (top / f"absent-{number}").exists()
    assert not emulator.requests
