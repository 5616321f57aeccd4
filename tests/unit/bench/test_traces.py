"""Recorded traces: they load as they were saved, and replay between what their bytes allow and what no help takes."""

import pytest

from bench.traces.network import NETWORKS, Network
from bench.traces.replay import alone, limit, simulated
from bench.traces.trace import Read, Trace, chained, load, names


def test_a_trace_is_loaded_as_it_was_saved(tmp_path):
    trace = Trace("t", "me", "6.1", 1 << 20, 5, [100], [Read(0, 0, 10, -1, 0.0), Read(0, 10, 20, 0, 0.001)])
    trace.save(tmp_path)
    assert load("t", tmp_path) == trace
    assert names(tmp_path) == ["t"]


def test_what_is_asked_twice_counts_once():
    trace = Trace("t", "", "", 0, 0, [100], [Read(0, 0, 60, -1, 0.0), Read(0, 50, 60, -1, 0.0)])
    assert trace.asked() == 100


def test_a_read_waits_for_the_one_answered_last_before_it():
    reads = chained([(0, 0, 1, 1.0, 2.0), (0, 1, 1, 1.5, 2.5), (0, 2, 1, 2.1, 3.0), (0, 3, 1, 4.0, 5.0)])
    assert [read.after for read in reads] == [-1, -1, 0, 2]
    assert [round(read.think, 3) for read in reads] == [0.0, 0.02, 0.02, 0.02]  # half a second is no reader's work
    assert Trace("t", "", "", 0, 0, [9], reads).depth() == 3


@pytest.mark.parametrize("name", names())
def test_each_replays_between_its_bounds(name):
    trace = load(name)
    played = simulated(trace, NETWORKS["A"])
    assert limit(trace, NETWORKS["A"]) <= played.seconds <= 1.25 * alone(trace, NETWORKS["A"])
    assert played.fetched >= trace.asked()


def test_a_slower_network_takes_longer():
    trace = load("midst")
    assert simulated(trace, NETWORKS["J"]).seconds > limit(trace, NETWORKS["J"])
    assert simulated(trace, Network(0.01, 60e6)).seconds < simulated(trace, Network(0.05, 60e6)).seconds
