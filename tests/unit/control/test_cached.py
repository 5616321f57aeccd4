"""Cached bytes and paths over the API: warm, is-it-cached, invalidate, clear, stat, open files, and the doctor."""

import trio

from tests.unit.control.served import NOW, house, open_file


async def until_ended(asked, task_id):
    with asked.workspace.tasks.follow(task_id) as follower:
        *_, last = [task async for task in follower]
    return last


async def test_warming_a_folder_is_a_task_with_progress(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        for number in range(20):
            await asked.put("data", f"in/{number}", b"x" * 1000)
        assert (await asked.ask("GET", "/v1/cache/held?path=/data/in")).json["complete"] is False
        answer = await asked.ask("POST", "/v1/cache/warm", {"path": "/data/in"})
        assert (answer.status, answer.json["state"]) == (202, "running")
        task = await until_ended(asked, answer.json["id"])
        assert (task.state, task.done, task.total, task.bytes) == ("done", 20, 20, 20_000)
        held = (await asked.ask("GET", "/v1/cache/held?path=/data/in")).json
        assert (held["complete"], held["files"], held["size"]) == (True, 20, 20_000)
        assert [row["id"] for row in (await asked.ask("GET", "/v1/tasks")).json] == [task.id]


async def test_warming_what_there_is_not_fails_at_once(tmp_path):
    async with house(tmp_path) as asked:
        answer = await asked.ask("POST", "/v1/cache/warm", {"path": "/nothing"})
        assert (answer.status, answer.json["code"]) == (404, "no_entry")


async def test_a_warming_that_hangs_is_cancelled(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a", b"x")
        asked.storages.stores["data"].gate = trio.Event()
        task_id = (await asked.ask("POST", "/v1/cache/warm", {"path": "/data"})).json["id"]
        assert (await asked.ask("DELETE", f"/v1/tasks/{task_id}")).status == 200
        assert (await until_ended(asked, task_id)).state == "cancelled"
        assert (await asked.ask("DELETE", f"/v1/tasks/{task_id}")).json["state"] == "cancelled"
        missing = await asked.ask("DELETE", "/v1/tasks/none")
        assert (missing.status, missing.json["code"]) == (404, "unknown_task")


async def test_stopping_ends_a_long_warming(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a", b"x")
        asked.storages.stores["data"].gate = trio.Event()
        task_id = (await asked.ask("POST", "/v1/cache/warm", {"path": "/data"})).json["id"]
        assert (await asked.ask("POST", "/v1/stop")).status == 202
        assert (await until_ended(asked, task_id)).state == "cancelled"
        assert asked.workspace.host.stop_requested.is_set()


async def test_files_that_cannot_be_fetched_are_counted_and_the_others_warmed(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        for number in range(5):
            await asked.put("data", f"{number}", b"x")
        store = asked.storages.stores["data"]
        read = store.read

        async def failing(version, start, stop):
            if version.key == "3":
                from mountd.errors import Unavailable

                raise Unavailable("The host does not answer.")
            return await read(version, start, stop)

        store.read = failing
        task_id = (await asked.ask("POST", "/v1/cache/warm", {"path": "/data"})).json["id"]
        task = await until_ended(asked, task_id)
        assert (task.state, task.done) == ("failed", 5)
        assert task.error.message.startswith("1 of 5 files could not be fetched; the first, /data/3:")


async def test_invalidating_asks_the_storage_anew(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a.txt", b"one")
        assert (await asked.ask("GET", "/v1/path?path=/data/a.txt")).json["size"] == 3
        await asked.put("data", "a.txt", b"four")
        answer = await asked.ask("POST", "/v1/cache/invalidate", {"path": "/data"})
        assert (answer.status, answer.json["path"]) == (200, "/data")
        assert (await asked.ask("GET", "/v1/path?path=/data/a.txt")).json["size"] == 4


async def test_clearing_gives_the_bytes_back(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a", b"x" * 4096)
        task_id = (await asked.ask("POST", "/v1/cache/warm", {"path": "/data"})).json["id"]
        await until_ended(asked, task_id)
        held = (await asked.ask("GET", "/v1/cache")).json["memory_bytes"]
        assert 4096 <= held < 8192  # and what holds them
        assert (await asked.ask("DELETE", "/v1/cache")).json == {"bytes": held}
        assert (await asked.ask("GET", "/v1/cache")).json["memory_bytes"] == 0


async def test_open_files_are_listed(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a.txt", b"hello")
        handle = await open_file(asked, b"data", b"a.txt")
        (row,) = (await asked.ask("GET", "/v1/files")).json
        assert (row["path"], row["handle"], row["opened_ns"]) == ("/data/a.txt", handle, NOW)
        asked.tree.release(handle)
        assert (await asked.ask("GET", "/v1/files")).json == []


async def test_a_local_path_below_the_mountpoint_is_understood(tmp_path):
    async with house(tmp_path, mountpoint="/mnt/here") as asked:
        await asked.register("data")
        await asked.put("data", "a.txt", b"hello")
        assert (await asked.ask("GET", "/v1/path?path=/mnt/here/data/a.txt")).json["path"] == "/data/a.txt"
        assert (await asked.ask("GET", "/v1/path?path=/mnt/here")).json["kind"] == "directory"
        assert (await asked.ask("GET", "/v1/path?path=/mnt/hereabouts")).json["code"] == "no_entry"
        assert (await asked.ask("GET", "/v1/path?path=data")).json["code"] == "bad_request"


async def test_the_doctor_lists_awkward_keys_under_the_paths_they_are_shown_at(tmp_path):
    keys = [
        "a//b",
        "/lead",
        "x/./y",
        "x/../z",
        "same",
        "same.txt",
        "same/inner",
        "~~odd",
        "plain",
        "folder/",
        "l" * 300,
    ]
    async with house(tmp_path) as asked:
        await asked.register("data")
        for key in keys:
            await asked.put("data", key, b"" if key.endswith("/") else b"x")
        found = (await asked.ask("GET", "/v1/datastores/data/diagnosis")).json
        assert (found["reachable"], found["complete"], found["keys_seen"]) == (True, True, len(keys))
        awkward = {row["key"]: row["path"] for row in found["awkward"]}
        assert set(awkward) == {"a//b", "/lead", "x/./y", "x/../z", "same", "~~odd", "l" * 300}
        for key, path in awkward.items():
            shown = (await asked.ask("GET", f"/v1/path?path=/data/{path}")).json
            assert shown["key"] == key


async def test_the_doctor_stops_where_it_is_told_to(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        for number in range(10):
            await asked.put("data", f"{number}", b"x")
        found = (await asked.ask("GET", "/v1/datastores/data/diagnosis?most_keys=4")).json
        assert (found["keys_seen"], found["complete"]) == (4, False)
