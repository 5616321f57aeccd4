"""Request tasks: who waits for the kernel, who is ended, and that the last one is replaced."""

import os
import select

import pytest
import trio
import trio.testing

from mountd.fuse.workers import IN_A_ROW, Calls, ReaderLock, RequestTasks


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


other_pipe = pipe


async def test_a_lock_held_by_one_task_is_given_to_the_next_in_order():
    lock, order = ReaderLock(Calls(30), lambda: None), []

    async def reader(number):
        async with lock:
            order.append(number)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery, lock:
        for number in range(5):
            nursery.start_soon(reader, number)
            await trio.testing.wait_all_tasks_blocked()
        assert order == []
    assert order == [0, 1, 2, 3, 4]


async def test_a_free_lock_is_taken_without_a_pass_through_the_scheduler():
    lock, others = ReaderLock(Calls(30), lambda: None), []

    async def other():
        others.append(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(10):
            async with lock:
                assert others == []


async def test_a_waiter_that_is_cancelled_is_passed_over():
    lock, order = ReaderLock(Calls(30), lambda: None), []

    async def reader(number, scope):
        with scope:
            async with lock:
                order.append(number)

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery, lock:
        for number, scope in enumerate(scopes):
            nursery.start_soon(reader, number, scope)
            await trio.testing.wait_all_tasks_blocked()
        scopes[0].cancel()
        await trio.testing.wait_all_tasks_blocked()
    assert order == [1, 2]


async def test_a_descriptor_that_stays_readable_gives_others_a_turn(pipe):
    reader, writer = pipe
    os.write(writer, b"x")
    tasks, turns = RequestTasks(Calls(30)), []

    async def other():
        turns.append(taken)

    taken = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        while not turns:
            await tasks.wait_readable(reader)
            taken += 1
    # Who runs first of those that may is trio's secret: at most two rounds.
    assert turns[0] <= 2 * (IN_A_ROW + 1)


@pytest.mark.parametrize("attempt", range(20))  # the order of two tasks that may run is random: red in half of them
async def test_a_request_that_the_kernel_took_back_is_not_waited_for_in_a_blocking_read(pipe, other_pipe, attempt):
    """The descriptor is readable when the loop looks, and no more when the task runs: reading now would block."""
    (reader, writer), (signal_reader, signal_writer) = pipe, other_pipe
    tasks, readable = RequestTasks(Calls(30)), []

    async def wait():
        await tasks.wait_readable(reader)
        readable.append(bool(select.select([reader], [], [], 0)[0]))

    async def take_back():
        await trio.lowlevel.wait_readable(signal_reader)
        os.read(reader, 1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_back)
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        os.write(signal_writer, b"x")
        os.write(writer, b"x")
        await trio.testing.wait_all_tasks_blocked()
        os.write(writer, b"y")
    assert readable == [True]


async def test_who_looks_after_the_end_was_said_does_not_wait_for_a_request_that_was_taken_back(pipe, autojump_clock):
    """Woken for a request that is gone again as the session ends: nobody is left to wake it a second time."""
    tasks = RequestTasks(Calls(30))
    tasks.notify_closing(pipe[0])
    with trio.fail_after(5), pytest.raises(trio.ClosedResourceError):
        await tasks.wait_readable(pipe[0])


async def test_an_expired_task_ends_in_good_order_and_the_last_one_is_replaced(autojump_clock):
    """What pyfuse3's request task does, in small: it ends at ClosedResourceError; with the last one its loop would end."""
    calls = Calls(80.0)
    tasks = RequestTasks(calls)
    lock, started, ended = tasks.Lock(), [], []

    async def session_loop():
        number = len(started)
        started.append(number)
        try:
            async with lock:
                if number == 2:
                    return
        except trio.ClosedResourceError:
            pytest.fail("a new task is not expired")
        task = trio.lowlevel.current_task()
        calls.running[task] = ("read", trio.current_time())
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            assert task in calls.expired  # what the boundary answers ETIMEDOUT for
        del calls.running[task]
        with pytest.raises(trio.ClosedResourceError):
            await lock.__aenter__()
        ended.append(number)

    async with tasks.open_nursery() as nursery:
        nursery.start_soon(session_loop, name="pyfuse-01")
    assert started == [0, 1, 2]
    assert ended == [0, 1]
    assert not calls.expired
    assert trio.current_time() >= 160
