"""Request tasks: who waits for the kernel, who is ended, and that the last one is replaced."""

import os
import select

import pytest
import trio
import trio.testing

from mountd.fuse.awaiting import TURN, Descriptor
from mountd.fuse.workers import Calls, ReaderLock, RequestTasks


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
        lock.pass_on()

    async with trio.open_nursery() as nursery, lock:
        for number in range(5):
            nursery.start_soon(reader, number)
            await trio.testing.wait_all_tasks_blocked()
        assert order == []
        nursery.start_soon(pass_on_when_free, lock)
    assert order == [0, 1, 2, 3, 4]


async def pass_on_when_free(lock):
    lock.pass_on()


async def test_nobody_is_woken_by_who_only_lets_the_lock_go(autojump_clock):
    """It comes back for the next request in a moment, unless its call has to wait: waking another one would be for nothing."""
    calls = Calls(30)
    lock, taken = ReaderLock(calls, lambda: None), []

    async def idle():
        async with lock:
            taken.append(trio.current_time())
        calls.pass_on()

    async def call():
        await trio.sleep(5)

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        async with lock:
            nursery.start_soon(idle)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(3)
        assert taken == []
        begun = call()
        await calls.wait("read", begun, begun.send(None))
    assert [when - start for when in taken] == [3.0]


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
            lock.pass_on()

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery, lock:
        for number, scope in enumerate(scopes):
            nursery.start_soon(reader, number, scope)
            await trio.testing.wait_all_tasks_blocked()
        scopes[0].cancel()
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(pass_on_when_free, lock)
    assert order == [1, 2]


async def test_a_descriptor_that_stays_readable_gives_others_a_turn(pipe):
    reader, writer = pipe
    os.write(writer, b"x")
    now, turns = 0.0, []
    tasks = RequestTasks(Calls(30), clock=lambda: now)

    async def other():
        turns.append(now)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        while not turns:
            await tasks.wait_readable(reader)
            now += TURN / 10
    # Who runs first of those that may is trio's secret: at most two turns.
    assert turns[0] <= 2.2 * TURN


class Requests:
    """A pipe's end where a request comes after so many looks; looking takes ten microseconds."""

    def __init__(self, descriptor, looking):
        self.now, self.looks, self.after = 0.0, 0, 0
        self.descriptor = Descriptor(descriptor, looking, self.clock)
        self.descriptor._poll = self.poll

    def clock(self):
        return self.now

    def poll(self, timeout):
        self.now += 10e-6
        self.looks += 1
        return self.looks > self.after

    def comes_after(self, looks):
        self.looks, self.after = 0, looks
        return self.descriptor.becomes_readable()


def test_a_request_that_comes_at_once_is_found_without_sleep(pipe):
    requests = Requests(pipe[0], 50e-6)
    assert [requests.comes_after(3) for _ in range(100)] == [True] * 100


def test_who_looks_in_vain_looks_more_and_more_rarely(pipe):
    requests = Requests(pipe[0], 50e-6)
    for _ in range(10_000):
        assert not requests.comes_after(1000)
    assert requests.now <= 50 * 50e-6  # 47 looks in vain of 50 µs each, where 10,000 would be half a second


def test_one_request_found_makes_looking_worth_it_again(pipe):
    requests = Requests(pipe[0], 50e-6)
    while not requests.descriptor._leave_out >= 255:
        requests.comes_after(1000)
    found = [requests.comes_after(3) for _ in range(300)]
    assert found == [False] * 255 + [True] * 45


async def test_nobody_looks_while_a_call_waits_for_the_loop(pipe):
    calls = Calls(30)
    tasks = RequestTasks(calls, looking=1000.0)
    calls.running[trio.lowlevel.current_task()] = ("read", 0.0)
    with trio.move_on_after(0.01) as scope:
        await tasks.wait_readable(pipe[0])
    assert scope.cancelled_caught


@pytest.mark.parametrize("attempt", range(20))  # the order of two tasks that may run is random: red in half of them
async def test_a_request_that_the_kernel_took_back_is_not_waited_for_in_a_blocking_read(pipe, other_pipe, attempt):
    """The descriptor is readable when the loop looks, and no more when the task runs: reading now would block."""
    (reader, writer), (signal_reader, signal_writer) = pipe, other_pipe
    tasks, readable = RequestTasks(Calls(30)), []
    look = select.poll()  # select() itself knows no descriptor above 1023
    look.register(reader, select.POLLIN)

    async def wait():
        await tasks.wait_readable(reader)
        readable.append(bool(look.poll(0)))

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
