"""The operator's door: accepts on the Unix socket, and gives each connection its peer's credentials.

`run` holds the socket from the moment it reports started until it returns, and then removes it. `stop` lets answers in
progress finish up to the configured deadline. It must not know the application's routes.
"""

import logging
from functools import partial
from pathlib import Path

import trio

from mountd import metrics
from mountd.control.config import ControlConfig
from mountd.control.connection import Application, Connection
from mountd.control.roles import Policy
from mountd.control.sockets import bound, peer_of

log = logging.getLogger(__name__)

MODE = 0o660
MODE_FOR_ALL = 0o666


class Server:
    """One ASGI application on one Unix socket."""

    def __init__(self, application: Application, path: Path, rules: Policy, config: ControlConfig) -> None:
        self.path = path
        self._application = application
        self._rules = rules
        self._config = config
        self._stopping = trio.Event()
        self._connections: set[Connection] = set()

    async def run(self, *, task_status: trio.TaskStatus[Path] = trio.TASK_STATUS_IGNORED) -> None:
        """Until `stop`. AlreadyRunning: a live daemon listens there."""
        mode = MODE_FOR_ALL if self._rules.status_for_others else MODE
        with bound(self.path, mode, self._rules.group) as listening:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(
                        partial(trio.serve_listeners, self._serve, [listener], handler_nursery=connections)
                    )
                    task_status.started(self.path)
                    await self._stopping.wait()
                    accepting.cancel_scope.cancel()
                for connection in self._connections:
                    connection.finish()
                connections.cancel_scope.deadline = trio.current_time() + self._config.drain_timeout

    def stop(self) -> None:
        self._stopping.set()

    async def _serve(self, stream: trio.SocketStream) -> None:
        if len(self._connections) >= self._config.connections:
            log.warning("the control socket has %d connections: one more is hung up on", len(self._connections))
            await stream.aclose()
            return
        connection = Connection(self._application, stream, peer_of(stream.socket), self._config)
        self._connections.add(connection)
        try:
            await connection.run()
        except Exception:
            metrics.BUGS.labels("control").inc()
            log.exception("a connection to the control socket failed")
        finally:
            self._connections.discard(connection)
