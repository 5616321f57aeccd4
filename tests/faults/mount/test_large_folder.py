"""A large folder through a real mount: listed in little memory and a request a page, also when its ttl ends meanwhile."""

import os
import subprocess
import time

import pytest

from mountd.emulator import Emulator
from tests.faults.mount.arranged import serving
from tests.fixtures.daemons import Node

pytestmark = pytest.mark.fuse

FILES = 40_000
PAGES = FILES // 5000
MEMORY = 200 << 20
"""The daemon with its libraries holds 85 MiB; beside them the rows, what the kernel knows of them, and pages being parsed."""


@pytest.fixture(scope="module")
def service(_fuse, tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    (folder / "mnt").mkdir()
    node = Node(folder)
    with Emulator() as emulator:
        container = emulator.container("data")
        for number in range(FILES):
            container.put(f"folder/{number:06d}.jpg", b"x")
        mappings = "mappings:\n  /long: {datastore: box, ttl: 60s}\n  /short: {datastore: box, ttl: 5s}\n"
        try:
            yield emulator, serving(node, more=mappings, box=emulator)
        finally:
            node.clean()


def test_ls_lists_it_in_a_request_a_page(service):
    emulator, node = service
    emulator.requests.clear()
    done = subprocess.run(["ls", "-lU", node.path / "long" / "folder"], stdout=subprocess.PIPE, check=True)
    assert done.stdout.count(b"\n") == FILES + 1
    assert len(emulator.requests) < PAGES + 8
    assert node.peak_memory() < MEMORY


def test_asked_about_name_by_name_when_its_ttl_is_over(service):
    """As `ls -l` of more files than can be asked about in the ttl."""
    emulator, node = service
    top = node.path / "short" / "folder"
    names = sorted(os.listdir(top))
    assert len(names) == FILES
    time.sleep(5.1)
    emulator.requests.clear()
    for name in names[:10_000]:
        assert os.stat(top / name).st_size == 1
    # a listing or two, each when as many requests were spent on single names
    assert len(emulator.requests) < 5 * (2 * PAGES + 8)
    assert node.peak_memory() < MEMORY
