"""The one budget: what is reserved, for whom, and how much there is."""

import pytest

from mountd.content.budget import LARGEST_DEFAULT, Flight, MemoryBudget, Parts, default_memory
from mountd.content.config import SMALLEST_MEMORY
from mountd.types import GiB, MiB

LIMIT = 64 * MiB


def budget_with(cached):
    """A budget over a cache of that many bytes, which gives them up by the MiB."""

    def give_up(size):
        nonlocal cached
        freed = min(-(-size // MiB) * MiB, cached)
        cached -= freed
        budget.release(freed)
        return freed

    budget = MemoryBudget(LIMIT, give_up)
    assert budget.reserve(cached)
    return budget


def test_cached_bytes_are_given_up_for_wanted_ones():
    budget = budget_with(LIMIT)
    assert budget.launch(Flight(), 10 * MiB, wanted=True)
    assert budget.reserved <= LIMIT
    assert budget.in_flight == 10 * MiB


def test_what_flies_is_never_given_up():
    budget = budget_with(0)
    flights = [Flight() for _ in range(20)]
    taken = sum(8 * MiB for flight in flights if budget.launch(flight, 8 * MiB, wanted=True))
    assert taken == LIMIT
    assert not budget.launch(Flight(), 1, wanted=True)


def test_one_storage_leaves_half_of_what_others_left():
    budget = budget_with(0)
    first, second = Flight(), Flight()
    while budget.launch(first, MiB, wanted=True):
        pass
    while budget.launch(second, MiB, wanted=True):
        pass
    assert (first.bytes, second.bytes) == (32 * MiB, 16 * MiB)
    assert budget.launch(Flight(), MiB, wanted=True)


def test_fetching_ahead_leaves_half_to_readers():
    budget = budget_with(0)
    flights = [Flight() for _ in range(100)]
    for flight in flights:
        budget.launch(flight, 2 * MiB, wanted=False)
    assert budget.in_flight == LIMIT // 2
    assert budget.launch(Flight(), 2 * MiB, wanted=True)


def test_what_lands_and_is_not_kept_is_free_again():
    budget = budget_with(0)
    flight = Flight()
    assert budget.launch(flight, 2 * MiB, wanted=True)
    assert budget.launch(flight, MiB, wanted=True)
    budget.land(flight, 2 * MiB, kept=False)
    budget.land(flight, MiB, kept=True)
    assert (budget.reserved, budget.in_flight, flight.bytes) == (MiB, 0, 0)


def machine(tmp_path, total, cgroup="", limits=()):
    """A /proc and a /sys/fs/cgroup with that much memory and these limits (file → text)."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal:       {total // 1024} kB\nMemFree: 1 kB\n")
    (proc / "self/cgroup").write_text(cgroup)
    for name, text in limits:
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    return proc, groups


@pytest.mark.parametrize(
    ("total", "cgroup", "limits", "expected"),
    [
        (64 * GiB, "", [], LARGEST_DEFAULT),
        (GiB, "", [], GiB // 8),
        (64 * MiB, "", [], SMALLEST_MEMORY),
        (64 * GiB, "0::/job/a\n", [("job/a/memory.max", "1073741824\n")], GiB // 8),
        (64 * GiB, "0::/job/a\n", [("job/a/memory.max", "max\n"), ("job/memory.max", "536870912\n")], 64 * MiB),
        (64 * GiB, "0::/\n", [("memory.max", "536870912\n")], 64 * MiB),  # a container sees its own as the root
        (64 * GiB, "0::/../../elsewhere\n", [("memory.max", "max\n")], LARGEST_DEFAULT),
        (64 * GiB, "9:cpu,memory:/docker/x\n", [("memory/docker/x/memory.limit_in_bytes", "536870912\n")], 64 * MiB),
        (64 * GiB, "9:memory:/docker/x\n", [("memory/memory.limit_in_bytes", "536870912\n")], 64 * MiB),
        (64 * GiB, "9:memory:/\n", [("memory/memory.limit_in_bytes", "9223372036854771712\n")], LARGEST_DEFAULT),
        (64 * GiB, "8:memory:/\n0::/x\n", [("unified/x/memory.max", "536870912")], 64 * MiB),
        (64 * GiB, "0::/job\n", [("job/memory.max", "nonsense")], LARGEST_DEFAULT),
    ],
)
def test_the_default_is_an_eighth_of_what_we_may_use(tmp_path, total, cgroup, limits, expected):
    assert default_memory(*machine(tmp_path, total, cgroup, limits)) == expected


def test_this_machine_has_a_default():
    assert SMALLEST_MEMORY <= default_memory() <= LARGEST_DEFAULT


@pytest.mark.parametrize("disk", [True, False])
@pytest.mark.parametrize("memory", [SMALLEST_MEMORY, 40 * MiB, LARGEST_DEFAULT, 8 * GiB])
def test_blocks_buffers_and_what_waits_for_the_disk_are_one_budget(memory, disk):
    parts = Parts.of(memory, disk=disk)
    assert parts.blocks + parts.idle + parts.queue <= memory * 15 // 16  # the rest is holes in the heap
    assert parts.blocks >= memory * 3 // 4
    assert bool(parts.queue) == disk
