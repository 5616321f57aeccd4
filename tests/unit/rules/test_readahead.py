"""When a run of reads is a stream, and how far it is followed."""

import random

import pytest

from mountd.rules.blocks import RANGE
from mountd.rules.readahead import FIRST, FIRST_WINDOW, STREAMS, Streams
from mountd.types import GiB, KiB, MiB

SIZE = 2 * GiB
LIMIT = 64 * MiB


def follow(reads, size=SIZE, limit=LIMIT, waits=()):
    """Plans of a sequence of (offset, length), as spans; `waits` are the places of reads that had to wait."""
    streams = Streams(size)
    spans = []
    for place, (offset, length) in enumerate(reads):
        stream = streams.note(offset, offset + length)
        if stream is not None:
            if place in waits:
                stream.waited(offset)
            span = stream.plan(size, limit)
            if span is not None:
                spans.append(span)
    return spans


def sequential(start, count, length=128 * KiB):
    return [(start + place * length, length) for place in range(count)]


def ahead_of(spans):
    return sum(stop - start for start, stop in spans)


def test_a_first_copying_read_is_followed_to_one_mib_and_the_kernels_overshoot():
    assert follow([(0, 128 * KiB)]) == [(128 * KiB, FIRST)]
    assert follow([(0, 1 * MiB)]) == [(MiB, FIRST)]


@pytest.mark.parametrize("length", [1, 4096, 16 * KiB])
def test_a_probe_of_the_head_is_not_followed(length):
    assert follow([(0, length)]) == []


def test_a_run_from_the_start_streams_after_two_mib_elsewhere_after_four():
    for start, needed in ((0, 2 * MiB), (500 * MiB, 4 * MiB)):
        before = follow(sequential(start, needed // (128 * KiB) - 1))
        assert max(stop for _, stop in before) <= start + 2 * needed
        after = follow(sequential(start, needed // (128 * KiB)))
        window = FIRST_WINDOW if start == 0 else needed
        assert after[-1][1] == (start + needed + window) & -RANGE


def test_until_it_streams_a_run_costs_at_most_half_as_much_again():
    for count in range(2, 32):
        reached = max(stop for _, stop in follow(sequential(300 * MiB, count))) - 300 * MiB
        assert reached <= 1.5 * count * 128 * KiB


def test_spans_follow_each_other_and_end_on_ranges():
    spans = follow(sequential(0, 400))
    assert [start for start, _ in spans[1:]] == [stop for _, stop in spans[:-1]]
    assert all(stop % RANGE == 0 for _, stop in spans[-5:])


def test_the_window_doubles_only_when_the_reader_waits():
    reads = sequential(0, 160)
    assert follow(reads)[-1][1] == (20 * MiB + FIRST_WINDOW) & -RANGE
    assert follow(reads, waits={100})[-1][1] == (20 * MiB + 2 * FIRST_WINDOW) & -RANGE
    assert follow(reads, waits=set(range(160)))[-1][1] == 20 * MiB + LIMIT


def test_several_requests_waiting_for_one_block_are_one_wait():
    streams = Streams(SIZE)
    for offset, length in sequential(0, 40):
        stream = streams.note(offset, offset + length)
    for _ in range(4):
        stream.waited(6 * MiB)
    assert stream.window == 2 * FIRST_WINDOW


def test_the_end_of_the_file_ends_the_plan():
    size = 10 * MiB + 7
    reads = [(offset, min(128 * KiB, size - offset)) for offset in range(0, size, 128 * KiB)]
    assert follow(reads, size=size)[-1][1] == size


def test_random_reads_are_not_followed():
    chance = random.Random(1)
    reads = [(chance.randrange(SIZE - MiB) & -4096, 128 * KiB) for _ in range(2000)]
    assert ahead_of(follow(reads)) < 0.05 * 2000 * 128 * KiB


def test_sorted_random_reads_are_not_followed():
    chance = random.Random(1)
    reads = sorted((chance.randrange(SIZE - MiB) & -4096, 128 * KiB) for _ in range(2000))
    assert ahead_of(follow(reads)) < 0.25 * 2000 * 128 * KiB


def test_requests_that_overtake_each_other_are_still_one_stream():
    chance = random.Random(3)
    reads = []
    for window in range(0, 64 * MiB, 4 * MiB):
        part = [(window + offset, MiB) for offset in range(0, 4 * MiB, MiB)]
        place = chance.randrange(3)
        part[place], part[place + 1] = part[place + 1], part[place]
        reads += part
    streams = Streams(SIZE)
    seen = {streams.note(offset, offset + length) for offset, length in reads}
    assert len(list(streams)) == 1
    assert len(seen) == 1
    assert follow(reads)[-1][1] >= 64 * MiB


def test_mmap_faults_in_order_are_a_stream():
    """The kernel reads around the first fault: it begins behind it."""
    reads = [(100 * MiB - 2 * MiB, 4 * MiB)] + [(100 * MiB + 2 * MiB + place * 4 * MiB, 4 * MiB) for place in range(4)]
    assert follow(reads)[-1][1] > 118 * MiB


def test_eight_readers_of_one_open_are_eight_streams():
    streams = Streams(SIZE)
    for place in range(40):
        for reader in range(STREAMS):
            start = reader * 200 * MiB + place * 128 * KiB
            streams.note(start, start + 128 * KiB)
    assert all(stream.window for stream in streams)
    assert len(list(streams)) == STREAMS


def test_a_footer_probe_disturbs_no_stream():
    streams = Streams(SIZE)
    for offset, length in sequential(0, 40):
        stream = streams.note(offset, offset + length)
    assert streams.note(SIZE - 22, SIZE) is None
    assert list(streams) == [stream]


def test_a_stream_that_begins_to_skip_is_followed_no_more():
    reads = sequential(0, 400) + [(50 * MiB + place * MiB, 4096) for place in range(600)]
    assert ahead_of(follow(reads)) < 400 * MiB


@pytest.mark.parametrize("run", range(1, 30))
def test_a_run_at_a_random_place_costs_at_most_twice_its_bytes(run):
    """A table's row group, a few MiB: what is asked for beyond it is never read. Its reader waits for each block."""
    start = 701 * MiB
    spans = follow(sequential(start, run, MiB), limit=80 * MiB, waits=range(run))
    reached = max((stop for _, stop in spans), default=start)
    assert reached <= start + 2 * run * MiB
