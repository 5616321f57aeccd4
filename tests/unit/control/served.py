"""A whole workspace without a kernel or a network: the real registry, tree and cache over stores in memory."""

import atexit
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trio

from mountd.content.config import CacheConfig
from mountd.content.library import BlockContent
from mountd.control.app import create_app
from mountd.control.config import ControlConfig
from mountd.control.events import EventLog
from mountd.control.holdings import Showing
from mountd.control.host import Host
from mountd.control.interface import Parts
from mountd.control.roles import SCOPE_KEY, Peer, Policy
from mountd.control.server import Server
from mountd.control.tasks import Tasks
from mountd.control.workspace import Workspace
from mountd.definitions import DatastoreDefinition, DatastoreKind, Origin
from mountd.errors import MountdError
from mountd.fs.config import TreeConfig
from mountd.fs.filesystem import Filesystem
from mountd.registry.registry import NOTHING_DECLARED, Declared, Registry
from mountd.stores.interface import HealthState, StoreHealth
from mountd.stores.memory import MemoryStore
from mountd.types import MiB

NOW = 1_700_000_000_000_000_000
OWNER, GROUP = 1000, 2000
OWNER_PEER = Peer(1, OWNER, OWNER)
GROUP_PEER = Peer(2, 3000, 3000, frozenset({GROUP}))
OTHER_PEER = Peer(3, 4000, 4000)
ROOT_PEER = Peer(4, 0, 0)
KEY = "c2VjcmV0LWtleS1vZi1hLXRlc3Q="  # base64, as an account key must be
OTHER_KEY = "YW5vdGhlci1zZWNyZXQta2V5"
SAS = "sv=2024-01-01&sig=topsecretsignature%3D"


class NoKernel:
    def forget_inode(self, inode: int, *, attributes_only: bool = False) -> None: ...

    def forget_entry(self, parent: int, name: bytes) -> None: ...

    async def settled(self) -> None: ...


class FakeStore(MemoryStore):
    """A memory store with what a live one adds: health, and a credential that can be changed."""

    def __init__(self, definition: DatastoreDefinition) -> None:
        super().__init__(f"{definition.name}-{definition.container}", wall_clock=lambda: NOW)
        self.definition = definition
        self.condition = StoreHealth(HealthState.OK, NOW)
        self.rotations = 0
        self.closed = False
        self.gate: trio.Event | None = None

    async def read(self, version, start, stop):
        if self.gate is not None:
            await self.gate.wait()
        return await super().read(version, start, stop)

    async def rotate(self, definition: DatastoreDefinition) -> None:
        self.definition = definition
        self.rotations += 1

    def health(self) -> StoreHealth:
        return self.condition

    async def aclose(self) -> None:
        self.closed = True
        await super().aclose()


@dataclass
class Storages:
    """Opens fake stores and remembers them; `refusal` is what the next probe raises."""

    stores: dict[str, FakeStore] = field(default_factory=dict)
    refusal: MountdError | None = None
    unopenable: MountdError | None = None
    probed: list[DatastoreDefinition] = field(default_factory=list)
    created: list[DatastoreDefinition] = field(default_factory=list)

    def open(self, definition: DatastoreDefinition) -> FakeStore:
        if self.unopenable is not None:
            raise self.unopenable
        self.stores[definition.name] = FakeStore(definition)
        return self.stores[definition.name]

    def check(self, definition: DatastoreDefinition) -> None:
        self.probed.append(definition)
        if self.refusal is not None:
            raise self.refusal

    def create(self, definition: DatastoreDefinition) -> None:
        self.created.append(definition)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class House:
    """A running workspace and its application."""

    workspace: Workspace
    storages: Storages
    tree: Filesystem
    app: Any
    policy: Policy
    config: ControlConfig
    nursery: trio.Nursery

    async def ask(self, method: str, path: str, body: Any = None, peer: Peer | None = OWNER_PEER) -> Answer:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        target, _, query = path.partition("?")
        waiting = [{"type": "http.request", "body": content, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            if not waiting:
                await trio.sleep_forever()
            return waiting.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": target,
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"content-type", b"application/json")],
            "state": {},
        }
        if peer is not None:
            scope[SCOPE_KEY] = peer
        await self.app(scope, receive, send)
        head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]))

    async def put(self, datastore: str, key: str, data: bytes) -> None:
        await self.storages.stores[datastore].put(key, data)

    async def register(self, name: str = "data", **more: Any) -> Answer:
        return await self.ask("POST", "/v1/datastores", {"name": name, "kind": "memory", "container": "c"} | more)


BLOB = {"kind": "blob", "account": "account1", "container": "photos", "credential": {"account_key": KEY}}


MEMORY = Path("/dev/shm")


def in_memory(state: Path) -> Path:
    """Where there is a file system in memory, the state directory is there: each new registry is synced several times."""
    if not state.exists() and os.access(MEMORY, os.W_OK):
        elsewhere = tempfile.mkdtemp(prefix="mountd-control-", dir=MEMORY)
        atexit.register(shutil.rmtree, elsewhere, ignore_errors=True)
        state.parent.mkdir(parents=True, exist_ok=True)
        state.symlink_to(elsewhere)
    return state


@asynccontextmanager
async def house(
    directory: Path,
    *,
    declared: Declared = NOTHING_DECLARED,
    showing: Showing | None = None,
    status_for_others: bool = False,
    mountpoint: str = "",
    storages: Storages | None = None,
    config: ControlConfig | None = None,
    owner: int = OWNER,
) -> AsyncIterator[House]:
    config = config or ControlConfig(warm_parallel=4)
    storages = storages or Storages()
    registry = Registry.open(in_memory(directory / "state"), declared=declared)
    try:
        async with trio.open_nursery() as transfers, trio.open_nursery() as nursery:
            content = BlockContent(replace(CacheConfig(), memory=64 * MiB), transfers)
            tree = Filesystem(content, NoKernel(), TreeConfig(), lambda: NOW)
            events = EventLog(lambda: NOW, config.event_history)
            tasks = Tasks(nursery, events, lambda: NOW, config.task_history)
            parts = Parts(registry, storages, storages.open, tree, content, tasks, events)
            workspace = Workspace(parts, showing or Showing(), Host(mountpoint, NOW), config)
            await workspace.open()
            policy = Policy(owner, GROUP, status_for_others)
            yield House(workspace, storages, tree, create_app(workspace, policy), policy, config, nursery)
            nursery.cancel_scope.cancel()
            transfers.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await workspace.aclose()
                await content.aclose()
    finally:
        registry.close()


@dataclass
class Running:
    """A house with its server in a thread of its own, as a client in another process sees it."""

    socket: Path
    house: House
    token: trio.lowlevel.TrioToken
    ended: threading.Event

    def do(self, work: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        return trio.from_thread.run(work, *arguments, trio_token=self.token)


@contextmanager
def running(directory: Path, **more: Any) -> Iterator[Running]:
    """Ends when the block does, or when the API was asked to stop."""
    socket = directory / "control.sock"
    begun: list[Running] = []
    failed: list[BaseException] = []
    ready, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        async with house(directory, owner=0, **more) as built:
            server = Server(built.app, socket, replace(built.policy, group=0), built.config)
            async with trio.open_nursery() as doors:
                await doors.start(server.run)
                begun.append(Running(socket, built, trio.lowlevel.current_trio_token(), ended))
                ready.set()
                await built.workspace.host.stop_requested.wait()
                built.workspace.end_streams()
                server.stop()

    def thread() -> None:
        try:
            trio.run(serve)
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()
            ended.set()

    worker = threading.Thread(target=thread)
    worker.start()
    assert ready.wait(30)
    if failed:
        worker.join()
        raise failed[0]
    try:
        yield begun[0]
    finally:
        if not ended.is_set():
            begun[0].token.run_sync_soon(begun[0].house.workspace.host.request_stop)
        worker.join(30)
        if failed:
            raise failed[0]


def seconds_from_now(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


async def open_file(asked, *names):
    inode = 1
    for name in names:
        inode = (await asked.tree.lookup(inode, name)).inode
    return (await asked.tree.open(inode, 0)).handle


def paths(answer):
    return [row["path"] for row in answer.json]


FROM_FILE = DatastoreDefinition("fromfile", DatastoreKind.MEMORY, container="c", origin=Origin.FILE)
