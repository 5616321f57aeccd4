"""What the heap holds back goes to the kernel when more is resident than was promised, and not again and again."""

import ctypes
import subprocess
import sys

import pytest

from mountd.content.heap import AGAIN, LOOK, Heap, resident_bytes
from mountd.types import MiB
from tests.fixtures.required import unavailable


class Process:
    """One whose resident memory is a number: `used`, and what the heap holds beyond."""

    def __init__(self):
        self.used = 80 * MiB
        self.free = 0
        self.trims = 0

    def resident(self):
        return self.used + self.free

    def trim(self, _pad):
        self.trims += 1
        self.free = 0
        return 1


@pytest.fixture
def process():
    return Process()


@pytest.fixture
def heap(process):
    heap = Heap(process.resident, process.trim, slack=20 * MiB)
    heap.expect(100 * MiB)
    return heap


def test_within_what_was_promised_the_heap_keeps_its_pages(heap, process):
    process.used, process.free = 100 * MiB, 100 * MiB
    heap.passed(LOOK)
    assert process.trims == 0


def test_beyond_it_they_go_back(heap, process):
    process.used, process.free = 180 * MiB, 30 * MiB
    heap.passed(LOOK)
    assert (process.trims, process.free) == (1, 0)
    process.free = 15 * MiB
    heap.passed(LOOK)
    assert process.trims == 1
    process.free = 30 * MiB
    heap.passed(LOOK)
    assert process.trims == 2


def test_what_is_in_use_is_not_asked_back_each_time(heap, process):
    process.used = 300 * MiB
    for _ in range(100):
        heap.passed(LOOK)
    assert process.trims == 1
    process.used += AGAIN + 1
    heap.passed(LOOK)
    assert process.trims == 2


def test_a_look_is_not_taken_for_every_fetch(process):
    looks = []
    heap = Heap(lambda: looks.append(1) or 0, process.trim)
    heap.expect(MiB)
    for _ in range(1000):
        heap.passed(128 * 1024)
    assert len(looks) <= 1 + 1000 * 128 * 1024 // LOOK


def test_the_real_heap_gives_back_what_lies_between_what_is_used():
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        unavailable("not glibc: there is nothing to give back")
    program = """if True:
        from mountd.content.heap import Heap, resident_bytes
        from mountd.fuse.allocator import keep_large_buffers
        keep_large_buffers()
        heap = Heap()
        heap.expect(0)
        used = [bytes(1 << 20) + b"x" for _ in range(128)]
        for place in range(0, 127, 2):
            used[place] = b""
        full = resident_bytes()
        heap.give_back()
        print((full - resident_bytes()) >> 20)
    """
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(answer.stdout) >= 56


def test_resident_memory_is_known_here():
    assert resident_bytes() > 5 * MiB
