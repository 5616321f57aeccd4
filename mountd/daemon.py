"""The one composition root: builds every part, wires what must go upward, owns the nurseries and the order of the end.

A daemon lives between `Daemon.run`'s call and its return: directories locked, registry open, tree mounted, socket listening;
and when it returns none of that is left. Nothing else in the package opens a nursery that outlives a call.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import trio

from mountd import service
from mountd.config import Configuration
from mountd.content.heap import Heap
from mountd.content.library import BlockContent
from mountd.control.app import create_app
from mountd.control.events import EventLog
from mountd.control.holdings import Showing
from mountd.control.host import Host
from mountd.control.interface import Parts
from mountd.control.roles import policy
from mountd.control.server import Server
from mountd.control.tasks import Tasks
from mountd.control.workspace import Workspace
from mountd.definitions import DatastoreDefinition
from mountd.fs.filesystem import Filesystem
from mountd.fuse.allocator import keep_large_buffers
from mountd.fuse.invalidation import KernelInvalidations
from mountd.fuse.session import Session
from mountd.logs import conceal
from mountd.registry.credentials import secrets_of
from mountd.registry.registry import Declared, Registry
from mountd.stores.config import StoreConfig
from mountd.stores.live import LiveStore
from mountd.stores.opening import create_container, open_store
from mountd.stores.probe import probe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one daemon is to be. `own_folders`: each datastore appears at /NAME by itself (the service, not a one-shot mount).
    `verify`: datastores that must answer before anything is mounted; their StoreError ends the daemon."""

    configuration: Configuration
    own_folders: bool = True
    verify: tuple[DatastoreDefinition, ...] = ()


class StoreDoor:
    """registry.interface.Probe and the opening of stores, on stores/. Every secret that passes is kept out of the log."""

    def __init__(self, config: StoreConfig) -> None:
        self._config = config

    def open(self, definition: DatastoreDefinition) -> LiveStore:
        self._conceal(definition)
        return open_store(definition, self._config)

    def check(self, definition: DatastoreDefinition) -> None:
        self._conceal(definition)
        trio.from_thread.run(probe, definition, self._config)

    def create(self, definition: DatastoreDefinition) -> None:
        self._conceal(definition)
        trio.from_thread.run(create_container, definition, self._config)

    async def verify(self, definition: DatastoreDefinition) -> None:
        self._conceal(definition)
        await probe(definition, self._config)

    @staticmethod
    def _conceal(definition: DatastoreDefinition) -> None:
        for secret in secrets_of(definition.credential):
            conceal(secret.reveal())


@dataclass(slots=True)
class Daemon:
    """One daemon. `run` once."""

    plan: Plan
    ready: Callable[[], None] = field(default=lambda: None)

    async def run(self) -> None:
        """Until a signal, the socket or an unmount ends it. MountdError: it could not begin, and nothing is left behind."""
        keep_large_buffers()  # before any thread has an arena of its own
        configuration = self.plan.configuration
        door = StoreDoor(configuration.stores)
        limit = service.raise_file_limit()
        log.debug("open files: up to %d", limit)
        with ExitStack() as held:
            state = service.private_directory(Path(configuration.state_dir), "state")
            cache = service.private_directory(Path(configuration.cache_dir), "cache")
            held.enter_context(service.sole_owner(state, "state"))
            registry = Registry.open(state, declared=declared(configuration))
            held.callback(registry.close)
            for definition in self.plan.verify:
                await door.verify(definition)
            try:
                await self._serve(registry, door, cache)
            except BaseExceptionGroup as group:
                raise plain(group) from None

    async def _serve(self, registry: Registry, door: StoreDoor, cache: Path) -> None:
        """The nurseries: transfers outlive tasks, so that what a task waits for still comes while it is being ended."""
        async with trio.open_nursery() as transfers, AsyncExitStack() as ending:
            ending.callback(transfers.cancel_scope.cancel)
            kernel = KernelInvalidations()
            configuration = self.plan.configuration
            content = BlockContent(configuration.cache, transfers, cache, Heap())
            ending.push_async_callback(content.aclose)
            tree = Filesystem(content, kernel, configuration.tree, time.time_ns)
            async with trio.open_nursery() as tasks:
                events = EventLog(time.time_ns, configuration.control.event_history)
                parts = Parts(
                    registry=registry,
                    probe=door,
                    open_store=door.open,
                    tree=tree,
                    content=content,
                    tasks=Tasks(tasks, events, time.time_ns, configuration.control.task_history),
                    events=events,
                )
                host = Host(str(configuration.mountpoint), time.time_ns())
                workspace = Workspace(parts, self._showing(), host, configuration.control)
                await workspace.open()
                try:
                    await self._be_there(workspace, Session(tree, host.mountpoint, configuration.mount, kernel))
                finally:
                    tasks.cancel_scope.cancel()
                    with trio.CancelScope(shield=True):
                        await workspace.aclose()

    async def _be_there(self, workspace: Workspace, session: Session) -> None:
        """Mounted and listening, until asked to stop; then drained."""
        config = self.plan.configuration.control
        rules = policy(config.group, config.status_for_others)
        server = Server(create_app(workspace, rules), Path(self.plan.configuration.socket), rules, config)
        async with trio.open_nursery() as watching:
            watching.start_soon(_heed_signals, workspace.host, session)

            def started() -> None:
                workspace.host.mark_mounted()
                service.notify("READY=1")
                workspace.greet(watching)
                self.ready()

            async with trio.open_nursery() as doors:
                await doors.start(server.run)
                doors.start_soon(_stop_when_asked, workspace, session, server)
                await session.run(started)
                workspace.host.mark_mounted(False)
                workspace.stop()
            watching.cancel_scope.cancel()

    def _showing(self) -> Showing:
        configuration = self.plan.configuration
        return Showing(self.plan.own_folders, configuration.mapping_defaults, configuration.presets)


async def _stop_when_asked(workspace: Workspace, session: Session, server: Server) -> None:
    await workspace.host.stop_requested.wait()
    service.notify("STOPPING=1")
    await session.stop()
    workspace.end_streams()
    server.stop()


async def _heed_signals(host: Host, session: Session) -> None:
    """The first signal drains; the second ends at once. Ends with the nursery it runs in."""
    async with service.stop_signals() as signals:
        async for number in signals:
            if host.stop_requested.is_set():
                log.warning("%s again: ending at once", number.name)
                await session.stop(0)
                return
            log.info("%s: stopping", number.name)
            host.request_stop()


def plain(error: BaseException) -> BaseException:
    """The one failure inside nested groups of one, which is how nurseries wrap it; a group of several as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def declared(configuration: Configuration) -> Declared:
    """The registry's view of the configuration file."""
    return Declared(configuration.datastores, configuration.mappings, configuration.default_datastore)
