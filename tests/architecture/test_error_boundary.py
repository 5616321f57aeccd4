"""Whatever any handler raises, the mount lives: for every operation that pyfuse3 knows, found by reflection."""

import errno
import logging

import pyfuse3
import pytest
import trio

from mountd import errors
from mountd.fuse.boundary import RESULTS, SYNCHRONOUS, UNSEEN, Boundary, operation_names
from mountd.fuse.workers import Calls
from mountd.metrics import BUGS

OPERATIONS = sorted(operation_names())
SEEN = sorted(set(OPERATIONS) - UNSEEN)


class PanicException(BaseException):
    """As pyo3's, which is what a panic in Rust becomes: not an Exception."""


FAILURES = {
    "Exception": lambda: Exception("thrown by a test"),
    "KeyError": lambda: KeyError("thrown by a test"),
    "group": lambda: ExceptionGroup(
        "thrown by a test", [ValueError("one"), ExceptionGroup("two", [KeyError("three")])]
    ),
    "panic": lambda: PanicException("thrown by a test"),
    "panic in a group": lambda: BaseExceptionGroup("thrown by a test", [PanicException("one"), ValueError("two")]),
    "bug beside a named failure": lambda: ExceptionGroup("thrown", [errors.NoEntry("No."), ValueError("two")]),
}


def boundary(failure):
    """A boundary around handlers that all raise what `failure` makes."""
    handlers = pyfuse3.Operations()

    def now(*arguments):
        raise failure()

    async def later(*arguments):
        raise failure()

    for name in OPERATIONS:
        setattr(handlers, name, now if name in SYNCHRONOUS else later)
    return Boundary(handlers, Calls(30.0))


async def call(operations, name):
    outcome = getattr(operations, name)()
    return outcome if name in SYNCHRONOUS else await outcome


def bugs(name):
    return BUGS.labels(f"fuse.{name}")._value.get()


def test_reflection_finds_what_pyfuse3_has():
    assert {"lookup", "read", "forget", "init", "stacktrace", "readdir", "create"} <= set(OPERATIONS)
    assert len(OPERATIONS) >= 31
    assert set(OPERATIONS) >= UNSEEN | SYNCHRONOUS | set(RESULTS)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_bug_is_logged_once_counted_and_answered_eio(name, failure, caplog):
    before = bugs(name)
    with caplog.at_level(logging.ERROR):
        if name in UNSEEN:
            assert await call(boundary(FAILURES[failure]), name) is None
        else:
            with pytest.raises(pyfuse3.FUSEError) as answered:
                await call(boundary(FAILURES[failure]), name)
            assert answered.value.errno == errno.EIO
    assert bugs(name) == before + 1
    (record,) = caplog.records
    assert name in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.parametrize("in_group", [False, True], ids=["alone", "in a group"])
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - SYNCHRONOUS))
async def test_cancellation_passes_through(name, in_group):
    before = bugs(name)
    handlers = pyfuse3.Operations()

    async def waits(*arguments):
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            if in_group:
                raise BaseExceptionGroup("from a nursery", [cancelled]) from None
            raise

    setattr(handlers, name, waits)
    operations = Boundary(handlers, Calls(1000.0))
    with trio.move_on_after(0) as scope:
        await call(operations, name)
        pytest.fail("the cancellation was swallowed")
    assert scope.cancelled_caught
    assert bugs(name) == before


@pytest.mark.parametrize("name", SEEN)
async def test_a_bug_beside_a_cancellation_is_counted_and_the_cancellation_passes(name, caplog):
    before = bugs(name)
    handlers = pyfuse3.Operations()

    async def waits(*arguments):
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("from a nursery", [cancelled, KeyError("a bug")]) from None

    setattr(handlers, name, waits)
    with trio.move_on_after(0) as scope:
        await call(Boundary(handlers, Calls(1000.0)), name)
    assert scope.cancelled_caught
    assert bugs(name) == before + 1


@pytest.mark.parametrize("name", SEEN)
async def test_a_named_failure_has_its_own_errno_and_is_no_bug(name):
    before = bugs(name)
    for failure in (lambda: errors.Stale("Replaced."), lambda: ExceptionGroup("nursery", [errors.Stale("Replaced.")])):
        with pytest.raises(pyfuse3.FUSEError) as answered:
            await call(boundary(failure), name)
        assert answered.value.errno == errno.ESTALE
    assert bugs(name) == before


@pytest.mark.parametrize("name", sorted(set(RESULTS) - UNSEEN))
async def test_an_answer_that_pyfuse3_would_choke_on_is_a_bug_of_this_call_only(name, caplog):
    handlers = pyfuse3.Operations()

    async def nothing(*arguments):
        return None

    setattr(handlers, name, nothing)
    before = bugs(name)
    with pytest.raises(pyfuse3.FUSEError) as answered:
        await call(Boundary(handlers, Calls(30.0)), name)
    assert answered.value.errno == errno.EIO
    assert bugs(name) == before + 1


WAITING = sorted(set(OPERATIONS) - UNSEEN - SYNCHRONOUS)


@pytest.mark.parametrize("end", ["alone", "in a group", "beside a bug"])
@pytest.mark.parametrize("name", WAITING)
async def test_a_call_that_is_never_answered_ends(name, end, autojump_clock, caplog):
    """SEMANTICS 32: every call has a deadline."""
    handlers, calls, answers = pyfuse3.Operations(), Calls(80.0), []

    async def never(*arguments):
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            if end == "in a group":
                raise BaseExceptionGroup("from a nursery", [cancelled]) from None
            if end == "beside a bug":
                raise BaseExceptionGroup("from a nursery", [cancelled, KeyError("a bug")]) from None
            raise

    setattr(handlers, name, never)
    operations = Boundary(handlers, calls)

    async def serve():
        try:
            await call(operations, name)
        except pyfuse3.FUSEError as answered:
            answers.append(answered.errno)

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.watch)
        await calls.serve(serve)
        nursery.cancel_scope.cancel()
    assert answers == [errno.EIO if end == "beside a bug" else errno.ETIMEDOUT]
    assert 80.0 <= trio.current_time() - start <= 90.0
    assert not calls.running
