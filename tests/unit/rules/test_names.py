"""Spelling: reversible, without clashes, and invisible for plain names (SEMANTICS 8, 9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.rules import names

PIECES = st.sampled_from(
    ["~", "~~", "~~~", ".", "..", "empty", "dot", "blob~", "hex~", "long~", "~~blob~", "\0", "é", "a", "%", " "]
)
SEGMENTS = st.one_of(
    st.lists(PIECES, max_size=6).map("".join),
    st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=40),
    st.integers(240, 1024).map(lambda length: "x" * length),
    st.integers(80, 300).map(lambda length: "é" * length),
)


@given(SEGMENTS)
def test_a_name_can_be_a_name_and_says_its_segment(segment):
    name = names.spelled(segment)
    assert 0 < len(name) <= names.LONGEST_NAME
    assert name not in (b".", b"..")
    assert not {0, ord("/")}.intersection(name)
    meant = names.meant(name)
    assert meant in ((segment, False), None)
    assert (meant is None) == name.startswith(b"~~long~")


@given(SEGMENTS)
def test_a_clashing_blob_has_a_name_of_its_own(segment):
    name = names.spelled_blob(segment)
    assert 0 < len(name) <= names.LONGEST_NAME
    assert not {0, ord("/")}.intersection(name)
    assert names.meant(name) in ((segment, True), None)


@given(st.lists(SEGMENTS, unique=True, max_size=20))
def test_no_two_segments_share_a_name(segments):
    spelled = [names.spelled(segment) for segment in segments] + [names.spelled_blob(segment) for segment in segments]
    assert len(set(spelled)) == len(spelled)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_a_plain_segment_is_its_own_name(segment):
    if not segment.startswith("~~") and segment not in (".", ".."):
        assert names.spelled(segment) == segment.encode()
        assert names.segment_of(segment.encode()) == segment


@given(st.lists(SEGMENTS, max_size=8))
def test_a_page_is_plain_exactly_when_every_name_is(segments):
    plain = [segment.encode() for segment in segments]
    if names.all_plain(plain, b"".join(plain)):
        assert [names.spelled(segment) for segment in segments] == plain
    # two plain names may meet as "~" + "~": then a page is spelled name by name, with the same outcome


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("", b"~~empty"),
        (".", b"~~dot"),
        ("..", b"~~dotdot"),
        ("~~", b"~~~"),
        ("~~x", b"~~~x"),
        ("a~~b", b"a~~b"),
        ("~", b"~"),
        ("caf\u00e9", "caf\u00e9".encode()),
        ("cafe\u0301", "cafe\u0301".encode()),
        ("100% #?+\\ .", b"100% #?+\\ ."),
        ("a\0b", b"~~hex~610062"),
    ],
)
def test_spellings_as_documented(segment, name):
    assert names.spelled(segment) == name


def test_bytes_that_are_not_utf8_are_left_to_the_listing():
    assert names.segment_of(b"\xff") is None
    assert names.encoded(names.decoded(b"\xff")) == b"\xff"


@given(st.binary(min_size=1, max_size=80))
def test_any_bytes_can_be_asked_about(name):
    names.segment_of(name)
    names.meant(name)
