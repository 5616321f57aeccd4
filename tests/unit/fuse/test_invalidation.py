"""Telling the kernel to forget: never on the caller's thread, never an error of the caller's, bounded at the end."""

import logging
import threading

import pyfuse3
import pytest
import trio

from mountd.fuse import invalidation
from mountd.fuse.invalidation import KernelInvalidations
from mountd.metrics import BUGS


@pytest.fixture
def told(monkeypatch):
    """What the kernel was told, by which thread."""
    calls = []
    monkeypatch.setattr(pyfuse3, "invalidate_inode", lambda *a: calls.append((threading.current_thread().name, *a)))
    monkeypatch.setattr(pyfuse3, "invalidate_entry", lambda *a: calls.append((threading.current_thread().name, *a)))
    return calls


def drained(invalidations):
    """Waits until what is queued was told: the end drops it."""
    done = threading.Event()
    invalidations._queue.put(done.set)
    assert done.wait(5)


def test_a_worker_tells_the_kernel_in_order(told):
    invalidations = KernelInvalidations()
    invalidations.begin()
    invalidations.forget_inode(7)
    invalidations.forget_inode(8, attributes_only=True)
    invalidations.forget_entry(1, b"name")
    drained(invalidations)
    assert invalidations.end(5)
    thread = "mountd-invalidations"
    assert told == [(thread, 7, False), (thread, 8, True), (thread, 1, b"name")]


async def test_settled_returns_behind_all_that_was_asked_before(monkeypatch):
    calls = []

    def slowly(*arguments):
        threading.Event().wait(0.2)
        calls.append(arguments)

    monkeypatch.setattr(pyfuse3, "invalidate_inode", slowly)
    invalidations = KernelInvalidations()
    invalidations.begin()
    invalidations.forget_inode(7)
    await invalidations.settled()
    assert calls == [(7, False)]
    assert invalidations.end(5)


async def test_settled_gives_up_on_a_kernel_that_waits(monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(pyfuse3, "invalidate_inode", lambda *arguments: held.wait(20))
    monkeypatch.setattr(invalidation, "SETTLED_SECONDS", 0.1)
    invalidations = KernelInvalidations()
    invalidations.begin()
    invalidations.forget_inode(7)
    with trio.fail_after(10):
        await invalidations.settled()
    held.set()
    assert invalidations.end(5)


def test_nothing_is_told_where_nothing_is_mounted(told):
    invalidations = KernelInvalidations()
    invalidations.forget_inode(7)
    assert invalidations.end(0)
    invalidations.begin()
    assert invalidations.end(5)
    assert invalidations.end(5)
    invalidations.forget_entry(1, b"name")
    assert told == []


def test_what_the_kernel_does_not_know_or_no_longer_takes_is_fine_and_a_bug_is_counted(monkeypatch, caplog):
    failures = iter([FileNotFoundError(2, "no such inode"), OSError(107, "not connected"), RuntimeError("a bug")])

    def fail(*arguments):
        raise next(failures)

    monkeypatch.setattr(pyfuse3, "invalidate_inode", fail)
    before = BUGS.labels("fuse.invalidation")._value.get()
    invalidations = KernelInvalidations()
    invalidations.begin()
    with caplog.at_level(logging.INFO):
        for inode in range(3):
            invalidations.forget_inode(inode)
        drained(invalidations)
    assert invalidations.end(5)
    assert BUGS.labels("fuse.invalidation")._value.get() == before + 1
    assert len(caplog.records) == 1


def test_the_end_does_not_wait_for_a_worker_that_is_stuck_in_the_kernel_and_drops_the_rest(monkeypatch):
    stuck, released, told = threading.Event(), threading.Event(), []

    def wait(inode, attributes_only):
        told.append(inode)
        stuck.set()
        released.wait(5)

    monkeypatch.setattr(pyfuse3, "invalidate_inode", wait)
    invalidations = KernelInvalidations()
    invalidations.begin()
    invalidations.forget_inode(1)
    invalidations.forget_inode(2)
    assert stuck.wait(5)
    assert not invalidations.end(0.01)
    released.set()
    assert invalidations.end(5)
    assert told == [1]
