"""SEMANTICS 4 through the kernel: what each freshness asks of the storage when a file is opened again."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mountd.emulator import Emulator
from tests.fixtures.daemons import Node

pytestmark = pytest.mark.fuse

OPENS = 20
FILES = [f"folder/{number}.bin" for number in range(3)]


@pytest.fixture
def mounted(node: Node, emulator: Emulator) -> Callable[[str], Node]:
    """A mount with these options in which the folder was listed and every file read."""

    def mount(options: str) -> Node:
        container = emulator.container("data")
        for key in FILES:
            container.put(key, key.encode() * 100)
        node.mount(f"{emulator.endpoint}/data", "-o", options, AZURE_STORAGE_KEY=emulator.key)
        folder = node.path / "folder"
        assert sorted(path.name for path in folder.iterdir()) == ["0.bin", "1.bin", "2.bin"]
        for key in FILES:
            assert (node.path / key).read_bytes() == key.encode() * 100
        emulator.requests.clear()
        return node

    return mount


def asked(emulator: Emulator) -> Counter[str]:
    return Counter(f"{served.operation} {served.key}" for served in emulator.requests)


def again(root: Path) -> None:
    for _ in range(OPENS):
        for key in FILES:
            assert (root / key).read_bytes() == key.encode() * 100


def test_close_to_open_asks_exactly_once_at_each_open(mounted, emulator):
    """The bytes come from the caches as long as the answer is that nothing changed; names are believed for the ttl."""
    again(mounted("freshness=close-to-open,ttl=1h").path)
    assert asked(emulator) == {f"GetBlobProperties {key}": OPENS for key in FILES}


def test_close_to_open_sees_a_change_at_the_next_open(mounted, emulator):
    node = mounted("preset=checkpoints,ttl=1h")
    emulator.container("data").put(FILES[0], b"written by another node")
    assert (node.path / FILES[0]).read_bytes() == b"written by another node"
    assert asked(emulator) <= Counter({f"GetBlobProperties {FILES[0]}": 3, f"GetBlob {FILES[0]}": 1})


def test_an_immutable_mapping_asks_nothing(mounted, emulator):
    node = mounted("preset=dataset")
    again(node.path)
    assert len(list((node.path / "folder").iterdir())) == len(FILES)
    assert not (node.path / "folder/nothing").exists()
    assert asked(emulator) == {}


def test_within_its_ttl_a_mapping_asks_nothing(mounted, emulator):
    again(mounted("ttl=1h").path)
    assert asked(emulator) == {}
