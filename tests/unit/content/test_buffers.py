"""The memory that small blocks lie in: theirs alone, never used twice at once, given back when idle."""

import random
import threading

import pytest

from mountd.content.buffers import COPIED, HEAP, STEP, Buffers, room_for
from mountd.types import KiB, MiB


@pytest.fixture
def buffers():
    return Buffers(MiB)


@pytest.mark.parametrize("size", [1, 100, HEAP, HEAP + 1, 100_000, 128 * KiB, COPIED])
def test_what_a_small_answer_was_a_part_of_is_free_at_once(buffers, size):
    whole = bytearray(b"a" * size + bytes(2 * MiB))
    kept = buffers.kept(memoryview(whole)[:size])
    whole.clear()  # BufferError, if anybody still looked at it
    assert kept == b"a" * size
    assert kept.readonly


def test_a_large_answer_is_not_copied(buffers):
    answer = bytes(COPIED + 1)
    assert buffers.kept(answer).obj is answer
    view = memoryview(answer)
    assert buffers.kept(view) is view


def test_a_buffer_is_used_again_when_its_last_view_has_ended(buffers):
    first = buffers.kept(b"1" * 128 * KiB)
    part = first[5:10]
    del first
    second = buffers.kept(b"2" * 128 * KiB)
    assert (part, second[:1]) == (b"11111", b"2")
    assert buffers.idle_bytes == 0
    del part
    buffers.settle()
    assert buffers.idle_bytes == 128 * KiB
    third = buffers.kept(b"3" * (128 * KiB - STEP + 1))
    assert buffers.idle_bytes == 0
    assert (second[:1], third[:1], len(third)) == (b"2", b"3", 128 * KiB - STEP + 1)


def test_idle_buffers_take_no_more_than_they_may_and_the_size_used_longest_ago_leaves(buffers):
    old = [buffers.kept(bytes(100_000)) for _ in range(5)]
    new = [buffers.kept(bytes(128 * KiB)) for _ in range(9)]
    old.clear()
    buffers.settle()
    assert buffers.idle_bytes == 5 * room_for(100_000)
    new.clear()
    buffers.settle()
    assert buffers.idle_bytes <= MiB
    assert set(buffers._idle) == {128 * KiB}


def test_a_view_may_end_in_any_thread(buffers):
    views = [buffers.kept(bytes(128 * KiB)) for _ in range(4)]
    thread = threading.Thread(target=views.clear)
    thread.start()
    thread.join()
    buffers.settle()
    assert buffers.idle_bytes == 512 * KiB


def test_bytes_stay_what_they_were_whatever_comes_and_goes(buffers):
    chance = random.Random(7)
    held = []
    for step in range(2000):
        size = chance.choice((500, 70_000, 100_000, 128 * KiB, 300 * KiB))
        byte = bytes([step % 251])
        held.append((byte, size, buffers.kept(byte * size)))
        while len(held) > 20:
            byte, size, view = held.pop(chance.randrange(len(held)))
            assert (view[0], view[-1], len(view)) == (byte[0], byte[0], size)
            del view
    assert buffers.idle_bytes <= MiB + COPIED


@pytest.mark.parametrize("size", [1, HEAP, HEAP + 1, 100_000, COPIED, COPIED + 1, 2 * MiB])
def test_what_keeping_takes_is_known_before(buffers, size):
    view = buffers.kept(bytes(size))
    taken = sum(len(buffer) for buffer, _ in buffers._lent.values()) or size
    assert taken == room_for(size)
    assert len(view) == size <= taken < size + STEP
