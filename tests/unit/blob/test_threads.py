"""The pool: bounded, cancellable at once, closed at once."""

import gc
import threading
import weakref

import pytest
import trio
import trio.testing

from mountd.errors import Unavailable
from mountd.stores.blob.threads import ThreadPool


class Gate:
    """Work that waits in its thread until the test opens it."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self) -> str:
        self.entered.release()
        assert self.open.wait(30)
        return "done"

    async def has(self, calls: int) -> None:
        for _ in range(calls):
            await trio.to_thread.run_sync(self.entered.acquire)


async def test_results_and_errors_come_back() -> None:
    pool = ThreadPool("t", 2)
    assert await pool.run(lambda: 42) == 42
    with pytest.raises(KeyError):
        await pool.run(lambda: {}["missing"])
    assert threading.current_thread().name not in {await pool.run(lambda: threading.current_thread().name)}
    pool.close()


async def test_no_more_threads_than_the_limit_and_none_too_few() -> None:
    pool = ThreadPool("t", 3)
    gate = Gate()
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(pool.run, gate)
        await gate.has(3)
        assert pool.threads == 3
        gate.open.set()
    assert pool.threads == 3
    pool.close()


async def test_one_thread_serves_calls_in_turn() -> None:
    pool = ThreadPool("t", 8)
    names = {await pool.run(lambda: threading.current_thread().ident) for _ in range(5)}
    # A thread may not be back at the queue when the next call comes, so there may be a second one, not one a call.
    assert len(names) <= 2
    pool.close()


async def test_cancelled_at_once_and_the_late_result_is_dropped() -> None:
    pool = ThreadPool("t", 1)
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.run, gate)
        await gate.has(1)
        nursery.cancel_scope.cancel()
    assert not gate.open.is_set()
    gate.open.set()
    assert await pool.run(lambda: "next") == "next"
    pool.close()


async def test_work_that_was_cancelled_in_the_queue_is_not_begun() -> None:
    pool = ThreadPool("t", 1)
    gate = Gate()
    began: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.run, gate)
        await gate.has(1)
        with trio.CancelScope() as scope:
            scope.cancel()
            pending = pool.start(lambda: began.append(1))
            await pending.wait()
        gate.open.set()
    await pool.run(lambda: None)
    assert began == []
    pool.close()


async def test_close_ends_who_waits() -> None:
    pool = ThreadPool("t", 1)
    gate = Gate()
    ended: list[str] = []

    async def wait() -> None:
        with pytest.raises(Unavailable):
            await pool.run(gate)
        ended.append("ended")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await gate.has(1)
        pool.close()
    assert ended == ["ended", "ended"]
    with pytest.raises(Unavailable):
        await pool.run(lambda: 1)
    gate.open.set()


async def test_idle_threads_end() -> None:
    pool = ThreadPool("t", 1, idle_seconds=0.01)
    thread = await pool.run(threading.current_thread)
    await trio.to_thread.run_sync(thread.join, 10)
    assert (thread.is_alive(), pool.threads) == (False, 0)
    assert await pool.run(lambda: "again") == "again"
    pool.close()


async def test_an_idle_thread_keeps_no_result_alive() -> None:
    class Result:
        pass

    pool = ThreadPool("t", 1)
    kept = weakref.ref(await pool.run(Result))
    for _ in range(10_000):  # until the thread has gone back to its queue
        if kept() is None:
            break
        await trio.to_thread.run_sync(gc.collect, 0)
    assert kept() is None
    pool.close()


async def test_started_now_and_awaited_later() -> None:
    pool = ThreadPool("t", 2)
    pending = pool.start(lambda: "early")
    assert await pool.run(lambda: "other") == "other"
    assert await pending.wait() == "early"
    pool.close()


async def test_a_machine_that_gives_no_more_threads_is_a_named_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of the container on tasks: RuntimeError in Python."""
    pool = ThreadPool("t", 2)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            with pytest.raises(Unavailable, match="no more threads"):
                await pool.run(lambda: 1)
    assert pool.threads == 0
    assert await pool.run(lambda: 2) == 2
    pool.close()


async def test_with_a_thread_there_work_waits_for_it_where_no_more_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, gate, done = ThreadPool("t", 2), Gate(), []

    async def second() -> None:
        done.append(await pool.run(lambda: 2))

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.run, gate)
        await gate.has(1)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            nursery.start_soon(second)
            await trio.testing.wait_all_tasks_blocked()
        gate.open.set()
    assert (done, pool.threads) == ([2], 1)
    pool.close()
