"""An inode that the kernel knows costs at most 120 bytes, its row of the listing included (measured: 88)."""

import gc
import tracemalloc

from tests.fixtures.asked_tree import Tree

COUNT = 20_000


async def test_an_inode_the_kernel_knows_is_small(autojump_clock):
    tree = Tree()
    for number in range(COUNT):
        await tree.put(f"image_{number:07}.jpg", b"x")
    handle = await tree.fs.open_directory(1)
    gc.collect()
    tracemalloc.start()
    try:
        after = 0
        while rows := await tree.fs.list_directory(handle, after, 100):
            after = rows[-1][2]
        del rows
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tree.fs._naming._eviction.known == COUNT
    assert held / COUNT <= 120
