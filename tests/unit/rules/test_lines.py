"""A long list of paths, packed."""

import random

from mountd.rules.lines import PACKED, Lines


def filled(paths):
    lines = Lines()
    for path in paths:
        lines.append(path)
    return lines


def test_every_line_is_given_back_wherever_one_begins():
    paths = [f"/data/é{number:07}".encode() for number in range(3 * PACKED + 7)]
    lines = filled(paths)
    assert len(lines) == len(paths)
    assert [lines[line] for line in range(len(lines))] == paths
    for line in random.Random(1).sample(range(len(paths)), 200):
        assert lines[line] == paths[line]


def test_a_path_is_found_from_a_line_on_and_else_from_the_start():
    lines = filled([b"/a", b"/b", b"", b"/a"] + [b"/x"] * PACKED + [b"/b"])
    assert [lines.find(b"/a", 0), lines.find(b"/a", 1), lines.find(b"/a", 4)] == [0, 3, 0]
    assert lines.find(b"/b", 2) == 4 + PACKED
    assert lines.find(b"/c", 0) == -1
    assert filled([]).find(b"/c", 0) == -1


def test_a_million_lines_are_held_small():
    lines = Lines()
    for number in range(100_000):
        lines.append(b"/imagenet/train/n%08d/image_%06d.jpg" % (number * 7919 % 1000, number * 104_729 % 100_000))
    packed = sum(map(len, lines._packs)) + len(lines._marks)
    assert packed <= 20 * len(lines)
