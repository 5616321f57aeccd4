"""Mappings over the API: what the tree shows where, and what a change leaves alone."""

import pytest

from mountd.control.holdings import Showing
from mountd.definitions import (
    MappingDefinition,
    MappingOptions,
    Origin,
)
from mountd.registry.registry import Declared
from tests.unit.control.served import (
    FROM_FILE,
    house,
    open_file,
    paths,
)


async def test_a_mapping_at_the_own_folder_goes_with_its_datastore(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.ask("POST", "/v1/mappings", {"path": "/data", "datastore": "data", "ttl": 60})
        (shown,) = [row for row in (await asked.ask("GET", "/v1/mappings")).json if row["path"] == "/data"]
        assert (shown["automatic"], shown["ttl"]) == (False, 60)
        assert (await asked.ask("DELETE", "/v1/datastores/data")).status == 204


async def test_a_mapping_shows_a_prefix_at_any_path_and_goes_again(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "in/a.txt", b"hello")
        words = {"path": "/deep/down", "datastore": "data", "prefix": "/in", "file_mode": "0600", "uid": 7}
        added = (await asked.ask("POST", "/v1/mappings", words)).json
        assert (added["prefix"], added["file_mode"], added["uid"]) == ("in/", "0600", 7)
        assert (await asked.ask("GET", "/v1/path?path=/deep/down/a.txt")).json["key"] == "in/a.txt"
        assert (await asked.ask("DELETE", "/v1/mappings?path=/deep/down/")).status == 204
        gone = await asked.ask("GET", "/v1/path?path=/deep/down/a.txt")
        assert (gone.status, gone.json["code"]) == (404, "no_entry")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"path": "relative", "datastore": "data"}, "invalid_definition"),
        ({"path": "/a/../b", "datastore": "data"}, "invalid_definition"),
        ({"path": "/x", "datastore": "none"}, "unknown_datastore"),
        ({"path": "/x", "datastore": "data", "file_mode": "rw"}, "invalid_definition"),
        ({"path": "/x", "datastore": "data", "freshness": "never"}, "invalid_definition"),
        ({"path": "/x", "datastore": "data", "ttl": -1}, "invalid_definition"),
        ({"path": "/x", "datastore": "data", "cache_share": 2}, "invalid_definition"),
        ({"path": "/x", "datastore": "data", "preset": "fast"}, "invalid_definition"),
        ({"path": "/taken", "datastore": "data"}, "invalid_definition"),
    ],
)
async def test_a_mapping_that_cannot_be_is_refused(tmp_path, words, code):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.ask("POST", "/v1/mappings", {"path": "/taken", "datastore": "data"})
        before = paths(await asked.ask("GET", "/v1/mappings"))
        answer = await asked.ask("POST", "/v1/mappings", words)
        assert answer.json["code"] == code
        assert paths(await asked.ask("GET", "/v1/mappings")) == before


async def test_a_preset_is_a_set_of_options_by_name(tmp_path):
    showing = Showing(presets={"fixed": MappingOptions(ttl=3600, uid=5)})
    async with house(tmp_path, showing=showing) as asked:
        await asked.register("data")
        words = {"path": "/x", "datastore": "data", "preset": "fixed", "uid": 6}
        added = (await asked.ask("POST", "/v1/mappings", words)).json
        assert (added["preset"], added["ttl"], added["uid"]) == ("fixed", 3600, 6)


async def test_a_datastores_own_folder_is_not_a_mapping_to_remove(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        refused = await asked.ask("DELETE", "/v1/mappings?path=/data")
        assert (refused.json["code"], "unregistered" in refused.json["remedy"]) == ("bad_request", True)
        missing = await asked.ask("DELETE", "/v1/mappings?path=/nothing")
        assert missing.json["code"] == "unknown_mapping"


async def test_a_mapping_whose_datastore_is_missing_waits_for_it(tmp_path):
    declared = Declared(mappings=(MappingDefinition("/later", "data", origin=Origin.FILE),))
    async with house(tmp_path, declared=declared) as asked:
        assert "/later" not in paths(await asked.ask("GET", "/v1/mappings"))
        await asked.register("data")
        assert "/later" in paths(await asked.ask("GET", "/v1/mappings"))


async def test_a_one_shot_mount_shows_its_source_alone(tmp_path):
    declared = Declared((FROM_FILE,), (MappingDefinition("/", "fromfile", origin=Origin.FILE),))
    async with house(tmp_path, declared=declared, showing=Showing(own_folders=False)) as asked:
        assert paths(await asked.ask("GET", "/v1/mappings")) == ["/"]
        await asked.put("fromfile", "a.txt", b"hello")
        assert (await asked.ask("GET", "/v1/path?path=/a.txt")).json["size"] == 5


async def test_changes_elsewhere_do_not_touch_an_open_file(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a.txt", b"hello")
        handle = await open_file(asked, b"data", b"a.txt")
        detached, detach = [], asked.tree.detach
        asked.workspace._holdings._tree.detach = lambda path: (detached.append(path), detach(path))
        await asked.register("other")
        await asked.ask("POST", "/v1/mappings", {"path": "/data/inside", "datastore": "other"})
        await asked.ask("DELETE", "/v1/mappings?path=/data/inside")
        await asked.ask("DELETE", "/v1/datastores/other")
        assert detached == ["/data/inside", "/other"]
        assert bytes(await asked.tree.read(handle, 0, 5)) == b"hello"
        asked.tree.release(handle)
