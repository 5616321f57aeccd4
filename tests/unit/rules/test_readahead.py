"""When a run of reads is a stream, and how far it is followed."""

import random

import pytest

from bench.traces.trace import load
from mountd.rules.blocks import KERNEL_REQUEST, RANGE, asked_span
from mountd.rules.readahead import EAGER, ELSEWHERE, FIRST_WINDOW, FROM_START, LONG, STREAMS, Streams
from mountd.types import GiB, KiB, MiB

SIZE = 2 * GiB
LIMIT = 64 * MiB


def follow(reads, size=SIZE, limit=LIMIT, waits=(), streams=None):
    """Plans of a sequence of (offset, length), as spans; `waits` are the places of reads that had to wait."""
    streams = streams or Streams(size)
    spans = []
    for place, (offset, length) in enumerate(reads):
        stream = streams.note(offset, offset + length)
        if stream is not None:
            if place in waits:
                stream.waited(offset, offset + length, ahead=True)
            span = stream.plan(size, limit)
            if span is not None:
                spans.append(span)
    return spans


def sequential(start, count, length=128 * KiB):
    return [(start + place * length, length) for place in range(count)]


def backward(stop, count, length=128 * KiB):
    return [(stop - (place + 1) * length, length) for place in range(count)]


def ahead_of(spans):
    return sum(stop - start for start, stop in spans)


def fetched(spans, reads, size=SIZE):
    """Bytes of the grains that are asked for, by plan or by a reader, each once."""
    spans = spans + [asked_span(offset, min(offset + length, size), size) for offset, length in reads]
    return KERNEL_REQUEST * len(
        {grain for start, stop in spans for grain in range(start // KERNEL_REQUEST, -(-stop // KERNEL_REQUEST))}
    )


def recorded(name):
    trace = load(name)
    return [(read.offset, read.size) for read in trace.reads], trace.files[0]


# From the front -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [64 * KiB, 128 * KiB, MiB])
def test_a_first_copying_read_is_followed_by_as_much(length):
    covered = max(length, KERNEL_REQUEST)
    assert follow([(0, length)]) == [(covered, length + covered & -KERNEL_REQUEST)] or length < KERNEL_REQUEST
    assert fetched(follow([(0, length)]), [(0, length)]) <= 2 * covered


@pytest.mark.parametrize("length", [1, 4096, 16 * KiB])
def test_a_probe_of_the_head_is_not_followed(length):
    assert follow([(0, length)]) == []


@pytest.mark.parametrize("name", ["head", "magic"])
def test_who_reads_only_a_header_costs_little(name):
    """Was 9 times what the kernel asks for the first 64 KiB: 1.1 MiB of each file of a folder that is looked through."""
    reads, size = recorded(name)
    assert fetched(follow(reads, size), reads, size) <= 256 * KiB


def test_a_second_read_from_the_front_looks_like_a_copy():
    assert follow(sequential(0, 2))[-1][1] == (1 + EAGER) * 256 * KiB


def test_after_a_footer_the_front_is_like_any_place():
    streams = Streams(SIZE)
    follow([(SIZE - 64 * KiB, 64 * KiB)], streams=streams)
    spans = follow(sequential(0, 2, MiB), streams=streams)
    assert ahead_of(spans) == 2 * MiB
    assert max(stop for _, stop in follow(sequential(2 * MiB, 2, MiB), streams=streams)) == ELSEWHERE + FIRST_WINDOW * 2


# Elsewhere ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", range(1, 32))
@pytest.mark.parametrize("way", [sequential, backward])
def test_a_run_at_a_random_place_costs_at_most_twice_its_bytes(run, way):
    """A table's row group, a few MiB: what is asked for beyond it is never read. Its reader waits for each block."""
    reads = way(701 * MiB, run, MiB)
    assert fetched(follow(reads, limit=80 * MiB, waits=range(run)), reads) <= 2 * run * MiB


def test_a_long_run_has_a_window_and_no_other_bound():
    spans = follow(sequential(700 * MiB, LONG // MiB, MiB), waits=range(32))
    assert spans[-1][1] == 700 * MiB + LONG + LIMIT


@pytest.mark.parametrize(("start", "needed"), [(0, FROM_START), (500 * MiB, ELSEWHERE)])
def test_a_run_from_the_start_streams_sooner(start, needed):
    before = follow(sequential(start, needed // (128 * KiB) - 1))
    assert max(stop for _, stop in before) <= start + (1 + EAGER if not start else 2) * needed
    after = follow(sequential(start, needed // (128 * KiB) + 16))
    window = LIMIT // 4 if start == 0 else needed
    assert after[-1][1] >= (start + needed + window) & -RANGE


def test_spans_follow_each_other_and_end_on_ranges():
    spans = follow(sequential(0, 400))
    assert [start for start, _ in spans[1:]] == [stop for _, stop in spans[:-1]]
    assert all(stop % RANGE == 0 for _, stop in spans[-5:])


def test_the_end_of_the_file_ends_the_plan():
    size = 10 * MiB + 7
    reads = [(offset, min(128 * KiB, size - offset)) for offset in range(0, size, 128 * KiB)]
    assert follow(reads, size=size)[-1][1] == size


# The window -----------------------------------------------------------------------------------------------------------


def test_the_window_doubles_only_when_the_reader_waits():
    reads = sequential(0, 160)
    assert follow(reads)[-1][1] == 20 * MiB + LIMIT // 4
    assert follow(reads, waits={100})[-1][1] == 20 * MiB + LIMIT // 2
    assert follow(reads, waits=set(range(160)))[-1][1] == 20 * MiB + LIMIT


def test_a_window_begins_with_a_part_of_what_it_may_become():
    for limit, window in ((4 * MiB, 4 * MiB), (16 * MiB, FIRST_WINDOW), (80 * MiB, 20 * MiB)):
        assert follow(sequential(0, 160), limit=limit)[-1][1] == 20 * MiB + window


def test_several_requests_waiting_for_one_block_are_one_wait():
    streams = Streams(SIZE)
    follow(sequential(0, 40), streams=streams)
    (stream,) = streams
    for _ in range(4):
        stream.waited(6 * MiB, 8 * MiB, ahead=True)
    assert stream.window == LIMIT // 2


def test_a_window_shrinks_with_its_limit():
    streams = Streams(SIZE)
    follow(sequential(0, 40), streams=streams)
    assert follow(sequential(5 * MiB, 200), limit=4 * MiB, streams=streams)[-1][1] == 30 * MiB + 4 * MiB
    assert next(iter(streams)).window == 4 * MiB


@pytest.mark.parametrize("way", [sequential, backward])
def test_what_was_given_up_unread_is_asked_for_anew_and_less_of_it(way):
    """Too many streams for the budget: the reader waits for bytes that were fetched ahead of it, and are gone."""
    streams = Streams(SIZE)
    reads = way(700 * MiB, 100, MiB)
    follow(reads[:50], streams=streams)
    (stream,) = streams
    had = stream.window
    offset, length = reads[50]
    streams.note(offset, offset + length)
    stream.waited(offset, offset + length, ahead=False)
    assert stream.window == had // 2
    low, high = stream.plan(SIZE, LIMIT)
    assert low == offset + length or high == offset


# Which reads are a run ------------------------------------------------------------------------------------------------


def test_random_reads_are_not_followed():
    chance = random.Random(1)
    reads = [(chance.randrange(SIZE - MiB) & -4096, 128 * KiB) for _ in range(2000)]
    assert ahead_of(follow(reads)) < 0.05 * 2000 * 128 * KiB


def test_sorted_random_reads_are_not_followed():
    chance = random.Random(1)
    reads = sorted((chance.randrange(SIZE - MiB) & -4096, 128 * KiB) for _ in range(2000))
    assert fetched(follow(reads), reads) < 1.1 * fetched([], reads)


def test_sorted_random_reads_of_a_table_are_hardly_followed():
    """16 of 255 places of 1 MiB: a slack of 4 MiB took them for a stream, one of 1 MiB fetched a third too much."""
    for seed in range(20):
        places = sorted(random.Random(seed).sample(range(255), 16))
        reads = [(256 * MiB - 64 * KiB, 64 * KiB)] + [(place * MiB, MiB) for place in places]
        asked = fetched([], reads, 256 * MiB)
        assert fetched(follow(reads, 256 * MiB), reads, 256 * MiB) <= 1.5 * asked


@pytest.mark.parametrize(
    ("name", "most"), [("sorted-random", 1.5), ("random-128k", 1.1), ("random-4k", 33), ("memmap-random", 1.3)]
)
def test_recorded_random_reads_cost_little_more_than_they_ask(name, most):
    reads, size = recorded(name)
    assert fetched(follow(reads, size), reads, size) <= most * sum(length for _, length in reads)


@pytest.mark.parametrize(
    "name", ["parquet-groups", "parquet-columns", "hdf5-flat", "npz-one", "midst", "safetensors-some"]
)
def test_recorded_parts_of_files_cost_at_most_twice_what_they_ask(name):
    reads, size = recorded(name)
    spans = follow(reads, size, limit=80 * MiB, waits=range(len(reads)))
    assert fetched(spans, reads, size) <= 2.05 * load(name).asked()


@pytest.mark.parametrize(
    "name", ["sequential", "gzip-stream", "tar-stream", "zip-all", "torch-load", "torch-mmap", "npz-all"]
)
def test_recorded_copies_have_half_the_file_asked_for_soon(name):
    """From what the kernel asked first, by the time it has asked for an eighth."""
    reads, size = recorded(name)
    upto, early = 0, []
    while upto < size / 8:
        early.append(reads[len(early)])
        upto += early[-1][1]
    assert fetched(follow(early, size, limit=80 * MiB, waits=range(len(early))), early, size) >= size / 2


def test_one_header_in_each_grain_is_a_stream():
    """The names of a tar: every grain is fetched anyway, one after the other. 3.8 s in network A, now 0.2."""
    reads, size = recorded("tar-names")
    spans = follow(reads, size, waits=range(0, len(reads), 40))
    assert fetched(spans, reads, size) <= 1.05 * fetched([], reads, size)
    assert ahead_of(spans) > 0.9 * size


def test_requests_that_overtake_each_other_are_still_one_stream():
    chance = random.Random(3)
    reads = []
    for window in range(0, 64 * MiB, 4 * MiB):
        part = [(window + offset, MiB) for offset in range(0, 4 * MiB, MiB)]
        place = chance.randrange(3)
        part[place], part[place + 1] = part[place + 1], part[place]
        reads += part
    streams = Streams(SIZE)
    for offset, length in reads:
        streams.note(offset, offset + length)
    assert len(list(streams)) == 1
    assert follow(reads)[-1][1] >= 64 * MiB


def test_a_run_elsewhere_whose_beginning_was_overtaken_is_one_stream():
    place = 500 * MiB
    reads = [(place + n * MiB, MiB) for n in (0, 2, 1, 3, 4, 5, 6, 7)]
    streams = Streams(SIZE)
    spans = follow(reads, streams=streams)
    assert len(list(streams)) == 1
    assert streams.left
    assert spans[-1][1] == place + 16 * MiB


def test_mmap_faults_in_order_are_a_stream():
    """The kernel reads around the first fault: it begins behind it."""
    reads = [(100 * MiB - 2 * MiB, 4 * MiB)] + [(100 * MiB + 2 * MiB + place * 4 * MiB, 4 * MiB) for place in range(4)]
    assert follow(reads)[-1][1] > 118 * MiB


def test_eight_readers_of_one_open_are_eight_streams():
    reads = [(reader * 200 * MiB + place * 128 * KiB, 128 * KiB) for place in range(40) for reader in range(STREAMS)]
    streams = Streams(SIZE)
    follow(reads, streams=streams)
    assert all(stream.window for stream in streams)
    assert len(list(streams)) == STREAMS


def test_a_ninth_reader_takes_the_place_of_the_one_used_least():
    streams = Streams(SIZE)
    follow([(reader * 100 * MiB, MiB) for reader in range(STREAMS + 1)], streams=streams)
    assert [stream.start for stream in streams.left] == [0]


def test_a_footer_probe_disturbs_no_stream():
    streams = Streams(SIZE)
    for offset, length in sequential(0, 40):
        stream = streams.note(offset, offset + length)
    assert streams.note(SIZE - 22, SIZE) is None
    assert list(streams) == [stream]


def test_a_stream_that_begins_to_skip_is_followed_no_more():
    reads = sequential(0, 400) + [(50 * MiB + place * MiB, 4096) for place in range(600)]
    assert ahead_of(follow(reads)) < 400 * MiB


# Backward -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SIZE, SIZE - 1, SIZE - MiB + 5])
def test_a_backward_reader_is_a_stream(size):
    stop = (size & -KERNEL_REQUEST) - MiB
    spans = follow(backward(stop, 80), size)
    assert [high for _, high in spans[1:]] == [low for low, _ in spans[:-1]]
    assert all(low % RANGE == 0 for low, _ in spans[-3:])
    assert spans[-1][0] == -(-(stop - 20 * MiB) & -RANGE)


def test_a_backward_reader_ends_at_the_front():
    spans = follow(backward(20 * MiB, 160))
    assert spans[-1][0] == 0
    assert ahead_of(spans) <= 20 * MiB


@pytest.mark.parametrize("name", ["backward", "backward-small"])
def test_recorded_backward_reads_are_followed(name):
    """1 MiB and 64 KiB from the end on: 0.8 and 3.3 s in network A, now 0.15 and 0.25."""
    reads, size = recorded(name)
    spans = follow(reads, size, waits=range(0, len(reads), 8))
    assert ahead_of(spans) >= 0.9 * sum(length for _, length in reads)


def test_a_backward_step_makes_no_backward_reader():
    reads = [(700 * MiB, 64 * KiB), (700 * MiB - 64 * KiB, 64 * KiB)]
    assert follow(reads) == []
    assert follow([*reads, *sequential(900 * MiB, 40)])[-1][1] == 909 * MiB + 1 * MiB
