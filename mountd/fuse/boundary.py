"""The total error boundary around every handler of the mount.

An exception other than FUSEError in any pyfuse3 handler ends the whole mount: callers get ENOTCONN. So whatever a handler
raises becomes an errno here: a named failure its own (errnos.py), anything else a bug: logged once with its traceback,
counted, EIO. Cancellation passes through, alone or in a group. A call without an answer is ended after a while.
The wrapping is by reflection, so that an operation of a later pyfuse3 is inside as well.
"""

import errno
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pyfuse3
import trio

from mountd.errors import Archived, Immutable, LeaseConflict, MountdError
from mountd.fuse.errnos import errno_of
from mountd.fuse.workers import Calls
from mountd.metrics import BUGS, FUSE_OPERATIONS

log = logging.getLogger(__name__)

UNSEEN = frozenset({"forget", "init", "release", "releasedir", "stacktrace"})
"""Operations whose caller cannot be told of a failure: it is logged and counted, and the call ends as if it had worked."""

SYNCHRONOUS = frozenset({"init", "stacktrace"})

RESULTS: dict[str, type | tuple[type, ...]] = {
    "create": tuple,
    "getattr": pyfuse3.EntryAttributes,
    "getxattr": bytes,
    "link": pyfuse3.EntryAttributes,
    "listxattr": (list, tuple),
    "lookup": pyfuse3.EntryAttributes,
    "mkdir": pyfuse3.EntryAttributes,
    "mknod": pyfuse3.EntryAttributes,
    "open": pyfuse3.FileInfo,
    "opendir": int,
    "read": (bytes, memoryview, bytearray),
    "readlink": bytes,
    "setattr": pyfuse3.EntryAttributes,
    "statfs": pyfuse3.StatvfsData,
    "symlink": pyfuse3.EntryAttributes,
    "write": int,
}
"""What pyfuse3 takes as an answer: anything else is a TypeError outside of every handler, and the end of the mount."""

EXPLAINED = (Archived, Immutable, LeaseConflict)
"""Failures of one file that no errno explains: the log has the sentence (SEMANTICS 28)."""

PASSED = (trio.Cancelled, KeyboardInterrupt, SystemExit, GeneratorExit)


def operation_names() -> Iterator[str]:
    """Every operation pyfuse3 knows."""
    return (name for name, value in vars(pyfuse3.Operations).items() if callable(value) and not name.startswith("_"))


class Boundary(pyfuse3.Operations):
    """`handlers`, with every operation made safe. Its operations are attributes of the instance: no second look-up."""

    def __init__(self, handlers: pyfuse3.Operations, calls: Calls) -> None:
        self.supports_dot_lookup = handlers.supports_dot_lookup
        self.enable_writeback_cache = handlers.enable_writeback_cache
        self.enable_acl = handlers.enable_acl
        for name in operation_names():
            handler = getattr(handlers, name)
            if name in SYNCHRONOUS:
                setattr(self, name, _guarded_now(name, handler))
            else:
                setattr(self, name, _guarded(name, handler, calls))


def _guarded_now(name: str, handler: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        try:
            handler()
        except BaseException as error:  # noqa: BLE001  total, as below
            _failure(name, error)

    return call


def _guarded(name: str, handler: Callable[..., Coroutine[Any, Any, Any]], calls: Calls) -> Callable[..., Any]:
    succeeded = FUSE_OPERATIONS.labels(name, "ok").inc
    wanted = RESULTS.get(name, object)
    unseen = name in UNSEEN

    async def call(*arguments: object) -> Any:  # noqa: ANN401  each operation has its own
        try:
            begun = handler(*arguments)
            try:
                trap = begun.send(None)  # begun by hand: most calls need no waiting, and so no limit
            except StopIteration as done:
                result = done.value
            else:
                result = await _limited(name, begun, trap, calls)
            if not isinstance(result, wanted):
                raise TypeError(f"{name} answered {type(result).__name__}")
        except BaseException as error:  # noqa: BLE001  total: pyo3's PanicException, for one, is no Exception
            code = _failure(name, error)
        else:
            succeeded()
            return result
        # Raised out here, so that the answer does not carry the failed call's frames.
        if unseen:
            return None
        raise pyfuse3.FUSEError(code)

    return call


async def _limited(name: str, begun: Coroutine[Any, Any, Any], trap: object, calls: Calls) -> Any:  # noqa: ANN401  as above
    try:
        return await calls.wait(name, begun, trap)
    except trio.Cancelled:
        if trio.lowlevel.current_task() not in calls.expired:
            raise
        raise pyfuse3.FUSEError(errno.ETIMEDOUT) from None
    except BaseExceptionGroup as group:
        if trio.lowlevel.current_task() not in calls.expired:
            raise
        rest = group.split(trio.Cancelled)[1]
        raise rest or pyfuse3.FUSEError(errno.ETIMEDOUT) from None


def _failure(name: str, error: BaseException) -> int:
    """The errno to answer. Raises what must pass through: cancellation, and the end of the interpreter."""
    if isinstance(error, PASSED):
        raise error
    if isinstance(error, BaseExceptionGroup):
        passed, rest = error.split(PASSED)
        if rest is not None:
            code = _rest_of_group(name, rest)
        if passed is not None:
            raise passed
        return code
    return _answer(name, error)


def _rest_of_group(name: str, group: BaseExceptionGroup[BaseException]) -> int:
    """A nursery wraps what it raises: if all of it is named failures, the first one is the answer."""
    leaves = list(_leaves(group))
    if all(isinstance(leaf, MountdError) for leaf in leaves):
        return _answer(name, leaves[0])
    return _answer(name, group)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _answer(name: str, error: BaseException) -> int:
    if isinstance(error, pyfuse3.FUSEError):
        FUSE_OPERATIONS.labels(name, errno.errorcode.get(error.errno, str(error.errno))).inc()
        return error.errno
    if isinstance(error, MountdError) and name not in UNSEEN:
        FUSE_OPERATIONS.labels(name, error.code).inc()
        if isinstance(error, EXPLAINED):
            log.warning("%s was refused: %s", name, error)
        return errno_of(error)
    FUSE_OPERATIONS.labels(name, "bug").inc()
    BUGS.labels(f"fuse.{name}").inc()
    log.error("bug in the handler of %s: answered EIO", name, exc_info=error)
    return errno.EIO
