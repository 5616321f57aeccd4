"""Where readers are in an order, and which of its lines are fetched next."""

import random

import pytest

from mountd.rules.order import AT_FIRST, GAINED, MOST, RECENT, Course


def fill(course, files=None):
    """Fetches as much as the rule wants; gives the lines."""
    begun = course.front
    while course.wants_more():
        file = course.front if files is None else files[course.front]
        if not course.was_read(file):
            course.fetched(file)
    return range(begun, course.front)


def test_little_before_anybody_reads_and_more_for_each_line_read():
    course = Course(100_000)
    assert len(fill(course)) == AT_FIRST
    for line in range(50):
        assert course.opened(line) == line
        fill(course)
        assert course.ahead == AT_FIRST + GAINED * (line + 1)
    for line in range(50, 10_000):
        course.opened(line)
        fill(course)
    assert course.ahead == MOST


def test_each_line_is_fetched_once_and_it_ends_with_the_last_read():
    course = Course(3000)
    fetched = list(fill(course))
    for line in range(3000):
        assert line < course.front
        course.opened(line)
        fetched += fill(course)
    assert fetched == list(range(3000))
    assert course.finished
    assert (course.read, course.skipped) == (3000, 0)


@pytest.mark.parametrize("workers", [2, 8, 16])
def test_workers_read_batches_side_by_side_and_none_is_given_up(workers):
    course, total, batch = Course(20_000), 20_000, 32
    queues = [
        [
            line
            for start in range(worker * batch, total, workers * batch)
            for line in range(start, min(start + batch, total))
        ]
        for worker in range(workers)
    ]
    choose = random.Random(workers)
    early = 0
    fill(course)
    while any(queues):
        longest = max(map(len, queues))
        queue = choose.choice(
            [queue for queue in queues if queue and len(queue) > longest - 3]
        )  # a loader takes them in turn
        early += course.opened(queue.pop(0)) is None
        assert course.left_behind() == []
        fill(course)
    assert early <= workers * batch  # before the first reads said that anybody reads
    assert course.read == total
    assert course.finished


def test_what_every_reader_has_passed_is_given_up_and_may_still_be_read():
    course = Course(10_000)
    fill(course)
    left = []
    for line in range(0, 4000, 2):
        course.opened(line)
        left += course.left_behind()
        fill(course)
    assert left == list(range(1, left[-1] + 1, 2))
    assert len(left) >= 2000 - 2 * RECENT
    assert course.skipped == len(left)
    assert course.opened(left[-1]) == -1
    assert course.skipped == len(left) - 1


def test_a_file_named_again_is_read_line_after_line():
    files = [1, 2, 1, 3, 1]
    course = Course(5)
    fill(course, files)
    assert [course.opened(file) for file in (1, 1, 2, 1, 3)] == [0, 2, 1, 4, 3]
    assert course.finished


def test_a_reader_elsewhere_is_followed_there():
    course = Course(10_000)
    fill(course)
    for _ in range(20):
        assert course.opened(5000) is None
    assert course.unread == 20
    assert course.go_to(5000) == list(range(AT_FIRST))
    assert course.unread == 0
    assert fill(course)[0] == 5001
    assert course.opened(5001) == 5001
    course.go_to(9)
    assert fill(course)[0] == 10


def test_a_line_without_a_file_is_passed_over():
    course = Course(2)
    course.passed_over()
    course.fetched(7)
    assert course.opened(7) == 1
    assert course.finished
