"""What one daemon serves: its registered datastores, their mappings, and what is cached of them, behind one door.

It ties the book of definitions to opened stores and to the tree. It starts whatever the network is: opening asks nobody, and
`greet` then finds out in the background how each datastore fares. It must not know HTTP, roles or the kernel.
"""

import logging

import trio

from mountd import __version__, api, metrics
from mountd.content.heap import resident_bytes, thread_count
from mountd.control.cached import Cached
from mountd.control.config import ControlConfig
from mountd.control.datastores import Datastores
from mountd.control.doctor import diagnose
from mountd.control.holdings import Holdings, Showing
from mountd.control.host import Host
from mountd.control.interface import OpenedStore, Parts
from mountd.control.mappings import Mappings
from mountd.control.orders import Orders
from mountd.errors import MountdError, StoreError

log = logging.getLogger(__name__)


class Workspace:
    """One daemon's datastores, mappings and cache. `open` before use, `aclose` at the end, after the mount is gone."""

    def __init__(self, parts: Parts, showing: Showing, host: Host, config: ControlConfig) -> None:
        changing = trio.Lock()
        self.host = host
        self.events = parts.events
        self.tasks = parts.tasks
        self._registry = parts.registry
        self._tree = parts.tree
        self._stopping = False
        self._greeting: trio.Nursery | None = None
        self._holdings = Holdings(parts, showing)
        self.datastores = Datastores(self._holdings, parts, changing, self._greet_soon)
        self.mappings = Mappings(self._holdings, parts, showing, changing)
        self.cached = Cached(parts, config.warm_parallel)
        self.orders = Orders(parts, host.mountpoint, config.orders)
        self.order_limit = config.order_limit

    async def open(self) -> None:
        """Opens every datastore and fills the tree. Asks no storage."""
        await self._holdings.follow(self._registry.definitions(), self._registry.mappings())
        for mapping in self._holdings.waiting():
            log.warning("%s waits for datastore %s, which there is not", mapping.path, mapping.datastore)

    def greet(self, nursery: trio.Nursery) -> None:
        """Asks each datastore for one entry, now and when one is registered or gets another credential, so that status says
        how it fares before anybody reads. Never fails the daemon."""
        self._greeting = nursery
        for name in self._holdings.opened:
            self._greet_soon(name)

    def status(self) -> api.Status:
        datastores = self.datastores.list()
        return api.Status(
            version=__version__,
            pid=self.host.pid,
            uid=self.host.uid,
            started_ns=self.host.started_ns,
            mountpoint=self.host.mountpoint,
            ready=self.host.ready,
            requests_in_flight=sum(datastore.in_flight for datastore in datastores),
            open_files=len(self._tree.open_files()),
            tasks_running=self.tasks.running(),
            resident_bytes=resident_bytes(),
            threads=thread_count(),
            cache=self.cached.usage(),
            datastores=datastores,
            mappings=self.mappings.list(),
        )

    async def diagnose(self, name: str, most_keys: int) -> api.Diagnosis:
        known = self.datastores.get(name)
        return await diagnose(known.name, self._holdings.store(known.name), most_keys, known.warnings)

    def stop(self) -> None:
        """Asks the daemon to end: what runs long ends first, so that nothing of the socket's holds it up."""
        if not self._stopping:
            self._stopping = True
            self.events.emit("daemon.stopping", "", "The daemon is stopping.")
        self.host.request_stop()
        self.end_streams()

    def end_streams(self) -> None:
        self.tasks.cancel_all()
        self.events.close()

    async def aclose(self) -> None:
        self.end_streams()
        await self._holdings.aclose()

    def _greet_soon(self, name: str) -> None:
        opened = self._holdings.opened.get(name)
        if self._greeting is not None and opened is not None:
            self._greeting.start_soon(self._greet, name, opened.store)

    async def _greet(self, name: str, store: OpenedStore) -> None:
        try:
            async for _ in store.list("", recursive=True, page_size=1):
                break
        except StoreError as error:
            log.warning("datastore %s: %s", name, error, extra={"request_id": error.request_id or ""})
            self.events.emit("datastore.unreachable", name, error.sentence)
        except MountdError as error:
            log.warning("datastore %s: %s", name, error)
        except Exception:
            metrics.BUGS.labels("control").inc()
            log.exception("datastore %s could not be greeted", name)
