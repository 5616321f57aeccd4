"""Inode numbers: stable, apart, and leading to their folder."""

from hypothesis import given
from hypothesis import strategies as st

from mountd.rules.inodes import FolderNumbers, after, bucket_of


def test_the_same_place_has_the_same_number_for_ever():
    assert FolderNumbers("blob|x|a|c", "/", "d/").number(b"f") == 2979827099378906753


@given(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9), st.binary(max_size=9))
def test_a_number_fits_and_says_its_bucket(identity, mapping, prefix, name):
    numbers = FolderNumbers(identity, mapping, prefix)
    number = numbers.number(name)
    assert 256 <= number < 1 << 64
    assert bucket_of(number) == numbers.bucket


def test_store_mapping_folder_and_name_each_count():
    places = [("a", "/", ""), ("b", "/", ""), ("a", "/m", ""), ("a", "/", "d/")]
    numbers = {FolderNumbers(*place).number(name) for place in places for name in (b"x", b"y", b"x/")}
    assert len(numbers) == 12


def test_the_next_number_stays_in_its_bucket():
    assert after(5) == 6
    assert after((7 << 44) | (1 << 44) - 1) == (7 << 44) | 256
