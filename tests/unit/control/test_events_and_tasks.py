"""Events and tasks by themselves, on a virtual clock."""

import pytest
import trio
import trio.lowlevel
import trio.testing

from mountd import metrics
from mountd.control.events import LISTENER_BUFFER, EventLog
from mountd.control.tasks import Tasks
from mountd.errors import Unavailable, UnknownTask


async def for_ever(progress):
    await trio.sleep_forever()


async def at_once(progress):
    await trio.lowlevel.checkpoint()


def log_of(history=100):
    return EventLog(lambda: 7, history)


async def test_a_listener_hears_the_past_it_asks_for_and_everything_since():
    events = log_of()
    for number in range(5):
        events.emit("kind", f"{number}", "It happened.")
    with events.listen(2) as listener:
        events.emit("kind", "new", "It happened.")
        assert [(await anext(listener)).subject for _ in range(3)] == ["3", "4", "new"]


async def test_history_is_bounded():
    events = log_of(history=3)
    for number in range(10):
        events.emit("kind", f"{number}", "It happened.")
    assert [event.subject for event in events.recent()] == ["7", "8", "9"]


async def test_a_listener_that_reads_too_slowly_sees_a_gap_and_holds_nobody_up():
    events = log_of()
    with events.listen() as listener:
        for _ in range(LISTENER_BUFFER + 5):
            events.emit("kind", "", "It happened.")
        seen = [(await anext(listener)).number for _ in range(LISTENER_BUFFER)]
        events.emit("kind", "", "It happened.")
        assert seen == list(range(1, LISTENER_BUFFER + 1))
        assert (await anext(listener)).number == LISTENER_BUFFER + 6


async def test_closing_ends_every_stream():
    events = log_of()
    with events.listen() as listener:
        events.close()
        assert [event async for event in listener] == []
    with events.listen(1) as late:
        assert [event async for event in late] == []


async def test_a_stream_of_the_past_alone_ends():
    events = log_of()
    events.emit("kind", "a", "It happened.")
    with events.listen(5, follow=False) as listener:
        assert [event.subject async for event in listener] == ["a"]


async def test_a_task_is_followed_to_its_end_and_tells_it_as_an_event(autojump_clock):
    events = log_of()

    async def work(progress):
        progress.expect(3)
        for _ in range(3):
            await trio.sleep(1)
            progress.advance(size=10)

    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, events, lambda: 7, 10)
        progress = tasks.start("warm", "/data", work)
        with tasks.follow(progress.id) as follower:
            seen = [(task.state, task.done, task.bytes) async for task in follower]
    assert seen[0] == ("running", 0, 0)
    assert seen[-1] == ("done", 3, 30)
    assert [event.kind for event in events.recent()] == ["task.done"]


async def test_a_failed_task_has_the_errors_words():
    async def work(progress):
        raise Unavailable("The host does not answer.", request_id="r-1")

    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, log_of(), lambda: 7, 10)
        progress = tasks.start("warm", "/data", work)
        await trio.testing.wait_all_tasks_blocked()
    view = progress.view()
    assert (view.state, view.error.code, view.error.request_id) == ("failed", "unavailable", "r-1")
    assert view.error.remedy


async def test_a_bug_in_a_task_is_logged_counted_and_ends_nothing_else(caplog, autojump_clock):
    before = metrics.BUGS.labels("task")._value.get()

    async def broken(progress):
        raise KeyError("secret")

    async def fine(progress):
        await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, log_of(), lambda: 7, 10)
        first, second = tasks.start("a", "", broken), tasks.start("b", "", fine)
    assert (first.view().state, second.view().state) == ("failed", "done")
    assert "secret" not in first.view().error.message
    assert metrics.BUGS.labels("task")._value.get() == before + 1
    assert "Traceback" in caplog.text


async def test_a_task_is_cancelled_by_its_id_or_with_the_daemon():
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, log_of(), lambda: 7, 10)
        first = tasks.start("warm", "/a", for_ever)
        second = tasks.start("warm", "/b", for_ever)
        tasks.cancel(first.id)
        await trio.testing.wait_all_tasks_blocked()
        assert (first.view().state, second.view().state, tasks.running()) == ("cancelled", "running", 1)
        nursery.cancel_scope.cancel()
    assert second.view().state == "cancelled"


async def test_ended_tasks_are_forgotten_beyond_the_history_and_running_ones_never():
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, log_of(), lambda: 7, 2)
        running = tasks.start("long", "", for_ever)
        for number in range(5):
            tasks.start("short", f"{number}", at_once)
            await trio.testing.wait_all_tasks_blocked()
        assert [task.subject for task in tasks.list()] == ["4", "3", "2", ""]
        assert tasks.get(running.id) is running
        with pytest.raises(UnknownTask):
            tasks.get("none")
        nursery.cancel_scope.cancel()
