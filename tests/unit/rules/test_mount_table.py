"""Which mapping owns a path: nesting, shadowing, automatic names, and a model that does it by brute force."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.definitions import MappingDefinition, MappingOptions, Origin
from mountd.errors import InvalidDefinition, UnknownMapping
from mountd.rules.mount_table import MountTable, Place, automatic, check_path, key_prefix, tree_path


def mapped(path: str, datastore: str = "store", origin: Origin = Origin.SOCKET) -> MappingDefinition:
    return MappingDefinition(path, datastore, origin=origin)


def test_the_root_is_there_even_when_nothing_is_mapped() -> None:
    assert MountTable().resolve("/") == Place(None, "", ())
    assert MountTable().resolve("/x") is None


def test_a_mapping_at_the_root_owns_everything() -> None:
    root = mapped("/")
    table = MountTable([root])
    assert table.resolve("/") == Place(root, "", ())
    assert table.resolve("/a/b") == Place(root, "a/b", ())


def test_folders_on_the_way_to_a_mapping_are_synthetic() -> None:
    deep = mapped("/a/b/c")
    table = MountTable([deep])
    assert table.resolve("/a") == Place(None, "", ("b",))
    assert table.resolve("/a/b") == Place(None, "", ("c",))
    assert table.resolve("/a/b/c/d") == Place(deep, "d", ())
    assert table.resolve("/a/x") is None


def test_an_inner_mapping_shadows_the_outer_and_its_way_is_fixed() -> None:
    outer, inner = mapped("/a", "outer"), mapped("/a/b/c", "inner")
    table = MountTable([outer, inner])
    on_the_way = table.resolve("/a/b")
    assert on_the_way == Place(outer, "b", ("c",))
    assert on_the_way.fixed
    beside = table.resolve("/a/x")
    assert beside == Place(outer, "x", ())
    assert not beside.fixed
    assert table.resolve("/a/b/c/d") == Place(inner, "d", ())


def test_a_name_that_begins_like_a_mapping_is_not_below_it() -> None:
    assert MountTable([mapped("/a")]).resolve("/ab") is None


def test_removing_the_outer_leaves_the_inner() -> None:
    inner = mapped("/a/b", "inner")
    table = MountTable([mapped("/a", "outer"), inner]).remove("/a")
    assert table.resolve("/a") == Place(None, "", ("b",))
    assert table.resolve("/a/b/c") == Place(inner, "c", ())


def test_two_mappings_on_one_path_are_refused_naming_both() -> None:
    with pytest.raises(InvalidDefinition, match="/a already shows one/.*two"):
        MountTable([mapped("/a", "one")]).add(mapped("/a", "two"))


def test_a_persons_mapping_hides_a_datastores_automatic_name_until_it_goes() -> None:
    by_itself = automatic("images", MappingOptions())
    chosen = mapped("/images", "other")
    table = MountTable([by_itself]).add(chosen)
    assert table.at("/images") is chosen
    assert table.shown() == (chosen,)
    assert table.remove("/images").at("/images") is by_itself


def test_a_datastore_registered_under_a_taken_path_stays_hidden() -> None:
    chosen = mapped("/images", "other", Origin.FILE)
    assert MountTable([chosen]).add(automatic("images", MappingOptions())).at("/images") is chosen


def test_removing_a_datastore_removes_only_its_automatic_name() -> None:
    chosen = mapped("/x", "images")
    table = MountTable([automatic("images", MappingOptions()), automatic("tables", MappingOptions()), chosen])
    assert [mapping.path for mapping in table.remove_datastore("images").shown()] == ["/tables", "/x"]
    assert table.mapped_by_people("images") == ("/x",)
    assert table.mapped_by_people("tables") == ()


def test_tables_do_not_change() -> None:
    table = MountTable([mapped("/a")])
    table.add(mapped("/b"))
    table.remove("/a")
    assert table.children("/") == ("a",)


def test_removing_what_is_not_there_names_it() -> None:
    with pytest.raises(UnknownMapping, match="/nowhere"):
        MountTable().remove("/nowhere")


@pytest.mark.parametrize(
    "path",
    ["", "a", "/a//b", "/a/", "/./a", "/a/..", "/a\nb", "/" + "x" * 256, "/\ud800", "/" + "/".join(["x" * 200] * 21)],
)
def test_paths_that_cannot_be(path: str) -> None:
    with pytest.raises(InvalidDefinition, match="^path "):
        check_path(path)


def test_what_people_write() -> None:
    assert tree_path("/a/b/") == "/a/b"
    assert tree_path("/") == "/"
    assert tree_path("//") == "/"
    assert key_prefix("a/b") == "a/b/"
    assert key_prefix("/a/") == "a/"
    assert key_prefix("") == ""
    assert key_prefix("/") == ""


names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, max_size=4).map(lambda segments: "/" + "/".join(segments))


@given(st.sets(paths, max_size=6), paths)
def test_resolve_agrees_with_brute_force(mapped_paths: set[str], path: str) -> None:
    table = MountTable([mapped(each, each) for each in sorted(mapped_paths)])

    def below(inner: str, outer: str) -> bool:
        return outer in ("/", inner) or inner.startswith(outer + "/")

    owners = [each for each in mapped_paths if below(path, each)]
    on_the_way = {
        each.removeprefix(path.rstrip("/") + "/").split("/")[0]
        for each in mapped_paths
        if below(each, path) and each != path
    }
    place = table.resolve(path)
    if not owners and not on_the_way and path != "/":
        assert place is None
        return
    assert place is not None
    assert set(place.names) == on_the_way
    if owners:
        owner = max(owners, key=len)
        assert place.mapping is not None
        assert place.mapping.path == owner
        assert (owner.rstrip("/") + "/" + place.relative).rstrip("/") == path.rstrip("/")
    else:
        assert place.mapping is None


@given(st.lists(paths, unique=True, max_size=6), st.randoms())
def test_the_order_of_adding_does_not_matter(mapped_paths: list[str], random) -> None:
    first, second = MountTable(), MountTable()
    for path in mapped_paths:
        first = first.add(mapped(path))
    shuffled = list(mapped_paths)
    random.shuffle(shuffled)
    for path in shuffled:
        second = second.add(mapped(path))
    assert repr(first) == repr(second)
    for path in shuffled:
        first = first.remove(path)
    assert first.shown() == ()
