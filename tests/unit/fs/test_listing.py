"""The packed listing: what went in comes out, numbers lead back to rows, clashes part."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mountd.fs.listing import FILE, FOLDER, HIDDEN, LINK, Listing, kind_of
from mountd.rules.inodes import FolderNumbers
from mountd.types import ListPage, Traits

SEGMENTS = st.text("ab~./\u00e9", max_size=5).filter(lambda text: "/" not in text)
NAMES = st.lists(SEGMENTS, unique=True, max_size=9)


class FewNumbers(FolderNumbers):
    """All names share three numbers: chance as it never happens."""

    def number(self, name):
        return (self.bucket << 44) | 1000 + sum(name) % 3


def page(prefix, files, folders=(), traits=None):
    rows = range(len(files))
    sizes, times = [row + 1 for row in rows], list(rows)
    return ListPage(
        [prefix + name for name in files], [f"e{row}" for row in rows], sizes, times, traits or {}, list(folders)
    )


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES, st.sampled_from([FolderNumbers, FewNumbers]))
def test_every_key_has_a_row_of_its_own_by_name_and_by_number(files, folders, numbers):
    listing = Listing("p/", numbers("store", "/", "p/"))
    listing.add(page("p/", sorted(files), [f"p/{folder}/" for folder in folders]))
    listing.finish()
    rows = [row for row in range(len(listing)) if listing.kinds[row] != HIDDEN]
    assert {listing.key(row) for row in rows} == {f"p/{file}" for file in files} | {
        f"p/{folder}/" for folder in folders
    }
    assert len({listing.name(row) for row in rows}) == len(rows) == len(files) + len(folders)
    assert len({listing.numbers[row] for row in rows}) == len(rows)
    for row in rows:
        assert listing.find(listing.name(row)) == row
        assert listing.row_of(listing.numbers[row]) == row
    assert listing.find(b"nobody") == -1


def test_versions_and_traits_stay_with_their_rows():
    traits = {1: Traits(tier="Cool"), 2: Traits(metadata={"is_symlink": "true"})}
    listing = Listing("", FolderNumbers("s", "/", ""))
    listing.add(page("", ["a", "b", "c"], traits=traits))
    listing.add(page("", ["~~d", "e"], ["f/"], traits={0: Traits(tier="Hot")}))
    listing.finish()
    assert [listing.kinds[row] for row in range(6)] == [FILE, FILE, LINK, FILE, FILE, FOLDER]
    assert [listing.trait(row).tier for row in range(6)] == ["", "Cool", "", "Hot", "", ""]
    assert (listing.version(1).key, listing.version(1).etag, listing.version(1).size) == ("b", "e1", 2)
    assert (listing.version(3).key, listing.name(3)) == ("~~d", b"~~~d")
    assert listing.key(5) == "f/"


def test_a_folder_listed_twice_or_with_its_marker_is_one_row():
    listing = Listing("", FolderNumbers("s", "/", ""))
    listing.add(page("", ["d"], ["d/"], traits={0: Traits(metadata={"hdi_isfolder": "true"})}))
    listing.add(page("", [], ["d/"]))
    listing.finish()
    assert [kind for kind in listing.kinds if kind != HIDDEN] == [FOLDER]


def test_metadata_that_makes_kinds():
    assert kind_of(Traits(metadata={"HDI_IsFolder": "TRUE"})) == FOLDER
    assert kind_of(Traits(metadata={"hdi_isfolder": "false", "other": "x"})) == FILE


def test_small_files_leave_out_what_is_large_empty_archived_or_no_file():
    listing = Listing("", FolderNumbers("s", "/", ""))
    traits = {1: Traits(archived=True), 2: Traits(metadata={"is_symlink": "true"})}
    listing.add(page("", ["a", "b", "c", "d", "e"], ["f/"], traits=traits))
    listing.finish()
    assert [listing.key(row) for row in listing.small_rows(0, 10, 4)] == ["a", "d"]
    listing.make_thin()
    assert listing.small_rows(0, 10, 4) == []
