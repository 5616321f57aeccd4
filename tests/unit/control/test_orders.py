"""Orders over the API: what a body may be, what its task shows, which lines are named, and who may."""

import json
import random

import trio
import trio.testing

from mountd.control.config import ControlConfig
from tests.unit.control.served import GROUP_PEER, OTHER_PEER, house, open_file
from tests.unit.control.test_cached import until_ended


async def filled(asked, count=20):
    await asked.register("data")
    for number in range(count):
        await asked.put("data", f"in/{number:03}", b"x" * 1000)
    return [f"/data/in/{number:03}" for number in random.Random(1).sample(range(count), count)]


def text(paths, end="\n"):
    return "".join(path + end for path in paths).encode()


async def send(asked, body, query="", **more):
    answer = await asked.ask("POST", f"/v1/prefetch{query}", body, **more)
    await trio.testing.wait_all_tasks_blocked()
    return answer


async def read(asked, path):
    handle = await open_file(asked, *(name.encode() for name in path.strip("/").split("/")))
    data = bytes(await asked.tree.read(handle, 0, 1 << 20))
    asked.tree.release(handle)
    return data


async def plain(asked, body, query="", **more):
    """As a client that says text/plain."""
    app = asked.app

    async def said(scope, receive, forward):
        await app({**scope, "headers": [(b"content-type", b"text/plain")]}, receive, forward)

    asked.app = said
    try:
        return await send(asked, body, query, **more)
    finally:
        asked.app = app


async def test_an_order_is_a_task_that_ends_when_all_was_read(tmp_path):
    async with house(tmp_path) as asked:
        paths = await filled(asked)
        answer = await plain(asked, text(paths))
        assert (answer.status, answer.json["kind"], answer.json["subject"]) == (202, "prefetch", "20 lines")
        for path in paths:
            assert await read(asked, path) == b"x" * 1000
        task = await until_ended(asked, answer.json["id"])
        assert (task.state, task.done, task.total) == ("done", 20, 20)
        assert (task.order.read, task.order.ahead, task.order.bad) == (20, 0, 0)
        assert task.bytes >= 20_000


async def test_its_body_is_lines_or_nul_ended_or_json_and_says_paths_of_the_tree_or_of_the_mount(tmp_path):
    async with house(tmp_path, mountpoint="/mnt/tree") as asked:
        paths = await filled(asked, 4)
        mounted = [f"/mnt/tree{path}" for path in paths]
        bodies = [
            (plain, text(paths), ""),
            (plain, text(paths, "\r\n"), ""),
            (plain, text(mounted)[:-1], ""),
            (plain, text(mounted, "\0"), "?null=true"),
            (send, {"paths": mounted}, ""),
        ]
        for by, body, query in bodies:
            answer = await by(asked, body, query)
            assert answer.status == 202, answer.body
            for path in paths:
                await read(asked, path)
            task = await until_ended(asked, answer.json["id"])
            assert (task.state, task.order.read) == ("done", 4), (body, task)


async def test_bad_lines_are_events_and_the_tasks_failure_and_do_not_end_the_others(tmp_path):
    async with house(tmp_path) as asked:
        paths = await filled(asked, 10)
        bad = ["/data/in", "/data/none", "/nowhere/x"] + [f"/data/in/none{number}" for number in range(30)]
        answer = await plain(asked, text(bad[:3] + paths + bad[3:]))
        for path in paths:
            await read(asked, path)
        task = await until_ended(asked, answer.json["id"])
        assert (task.state, task.order.read, task.order.bad) == ("failed", 10, 33)
        assert task.error.message.startswith("33 of 43 lines name no file that could be fetched. Line 1, /data/in: ")
        assert task.error.message.endswith("And 28 more.")
        told = [event for event in asked.workspace.events.recent() if event.kind == "prefetch.bad_line"]
        assert len(told) == 20
        assert told[1].message.startswith("Line 2, /data/none: ")


async def test_an_order_is_cancelled(tmp_path):
    async with house(tmp_path) as asked:
        paths = await filled(asked)
        task_id = (await plain(asked, text(paths))).json["id"]
        assert (await asked.ask("DELETE", f"/v1/tasks/{task_id}")).status == 200
        assert (await until_ended(asked, task_id)).state == "cancelled"


async def test_what_is_no_order_is_refused(tmp_path):
    async with house(tmp_path, config=ControlConfig(orders=2)) as asked:
        paths = await filled(asked)
        for by, body in (
            (plain, b""),
            (plain, b"/" + b"x" * 100_000),
            (send, {"path": paths}),
            (send, {"paths": "/a"}),
            (send, b"{"),
            (send, {"paths": ["/a\0b"]}),
        ):
            answer = await by(asked, body)
            assert (answer.status, answer.json["code"]) == (400, "bad_request"), body[:50]
        assert [(await plain(asked, text(paths))).status for _ in range(3)] == [202, 202, 400]
        assert json.loads((await send(asked, {"paths": paths})).body)["message"].startswith("2 orders")


async def test_the_sockets_group_may_and_others_may_not(tmp_path):
    async with house(tmp_path, status_for_others=True) as asked:
        paths = await filled(asked)
        assert (await plain(asked, text(paths), peer=GROUP_PEER)).status == 202
        assert (await plain(asked, text(paths), peer=OTHER_PEER)).status == 403
