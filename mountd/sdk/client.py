"""Every operation of the control API as a method: words in, words out, the daemon's errors raised as they were.

client = Client()                      # $MOUNTD_SOCKET, else the default place
for datastore in client.datastores():
    print(datastore.name, datastore.state)
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from mountd import api
from mountd.api import Json
from mountd.errors import BadRequest
from mountd.sdk.transport import Transport

ANSWER_SECONDS = 300.0


class Client:
    """One daemon, reached through its socket. Holds no connection, and may be used from several threads."""

    def __init__(self, socket_path: str | None = None, *, timeout: float | None = ANSWER_SECONDS) -> None:
        self.socket_path = socket_path or api.client_socket()
        self._transport = Transport(self.socket_path, timeout)

    def __repr__(self) -> str:
        return f"Client({self.socket_path!r})"

    # Datastores --------------------------------------------------------------------------------------------------

    def datastores(self) -> list[api.Datastore]:
        return api.decode(list[api.Datastore], self._transport.call("GET", "/v1/datastores"))

    def datastore(self, name: str) -> api.Datastore:
        return api.decode(api.Datastore, self._transport.call("GET", _named(name)))

    def register(self, words: api.RegisterDatastore) -> api.Datastore:
        return api.decode(api.Datastore, self._transport.call("POST", "/v1/datastores", body=asdict(words)))

    def unregister(self, name: str, *, force: bool = False) -> None:
        self._transport.call("DELETE", _named(name), query={"force": force})

    def rotate(self, name: str, words: api.CredentialWords, *, skip_validation: bool = False) -> api.Datastore:
        path = f"{_named(name)}/credential"
        query = {"skip_validation": skip_validation}
        return api.decode(api.Datastore, self._transport.call("PUT", path, query=query, body=asdict(words)))

    def access(self, name: str) -> api.RegisterDatastore:
        """Its definition with the secret; for the daemon's user and root only."""
        return api.decode(api.RegisterDatastore, self._transport.call("GET", f"{_named(name)}/credential"))

    def diagnose(self, name: str, *, most_keys: int | None = None) -> api.Diagnosis:
        answer = self._transport.call("GET", f"{_named(name)}/diagnosis", query={"most_keys": most_keys})
        return api.decode(api.Diagnosis, answer)

    def default(self) -> str:
        """The default datastore's name; "" when there is none."""
        return api.decode(api.DefaultDatastore, self._transport.call("GET", "/v1/default")).name

    def set_default(self, name: str) -> None:
        self._transport.call("PUT", "/v1/default", body={"name": name})

    # Mappings ----------------------------------------------------------------------------------------------------

    def mappings(self) -> list[api.MappedPath]:
        return api.decode(list[api.MappedPath], self._transport.call("GET", "/v1/mappings"))

    def add_mapping(self, words: api.AddMapping) -> api.MappedPath:
        return api.decode(api.MappedPath, self._transport.call("POST", "/v1/mappings", body=asdict(words)))

    def remove_mapping(self, path: str) -> None:
        self._transport.call("DELETE", "/v1/mappings", query={"path": path})

    # The tree and its cache --------------------------------------------------------------------------------------

    def stat(self, path: str) -> api.PathStatus:
        return api.decode(api.PathStatus, self._transport.call("GET", "/v1/path", query={"path": path}))

    def files(self) -> list[api.OpenFile]:
        return api.decode(list[api.OpenFile], self._transport.call("GET", "/v1/files"))

    def cache_usage(self) -> api.CacheUsage:
        return api.decode(api.CacheUsage, self._transport.call("GET", "/v1/cache"))

    def clear_cache(self) -> api.Freed:
        return api.decode(api.Freed, self._transport.call("DELETE", "/v1/cache"))

    def invalidate(self, path: str) -> api.Invalidated:
        return api.decode(api.Invalidated, self._transport.call("POST", "/v1/cache/invalidate", body={"path": path}))

    def warm(self, path: str) -> api.Task:
        """The task that fetches the path; `follow` it to see it end."""
        return api.decode(api.Task, self._transport.call("POST", "/v1/cache/warm", body={"path": path}))

    def prefetch(self, paths: Iterable[str | os.PathLike[str]]) -> api.Task:
        """The task that fetches these files just ahead of whoever reads them in this order: a sampler's, an epoch's or several.
        Paths of the tree, or local ones below the mountpoint. It ends when all were read, or is cancelled."""
        from mountd.sdk.paths import order_lines

        return api.decode(
            api.Task, self._transport.send("/v1/prefetch", order_lines(self, paths), query={"null": True})
        )

    def held(self, path: str) -> api.Held:
        return api.decode(api.Held, self._transport.call("GET", "/v1/cache/held", query={"path": path}))

    # Tasks and events --------------------------------------------------------------------------------------------

    def tasks(self) -> list[api.Task]:
        return api.decode(list[api.Task], self._transport.call("GET", "/v1/tasks"))

    def task(self, task_id: str) -> api.Task:
        return api.decode(api.Task, self._transport.call("GET", _task(task_id)))

    def cancel(self, task_id: str) -> api.Task:
        return api.decode(api.Task, self._transport.call("DELETE", _task(task_id)))

    def follow(self, task_id: str) -> Iterator[api.Task]:
        """The task now, at each change, and at its end."""
        for line in self._transport.lines(f"{_task(task_id)}/progress"):
            yield api.decode(api.Task, line)

    def events(self, recent: int = 0, *, follow: bool = True) -> Iterator[api.Event]:
        """The last `recent` events, then, to `follow`, each new one until the daemon stops."""
        for line in self._transport.lines("/v1/events", {"recent": recent, "follow": follow}):
            yield api.decode(api.Event, line)

    # The daemon --------------------------------------------------------------------------------------------------

    def status(self) -> api.Status:
        return api.decode(api.Status, self._transport.call("GET", "/v1/status"))

    def health(self) -> api.Health:
        return api.decode(api.Health, self._transport.call("GET", "/v1/health"))

    def readiness(self) -> api.Readiness:
        return api.decode(api.Readiness, self._transport.call("GET", "/v1/ready"))

    def metrics(self) -> str:
        """In Prometheus' text format."""
        return self._transport.text("/metrics")

    def log_level(self) -> str:
        return api.decode(api.LogLevel, self._transport.call("GET", "/v1/log-level")).level

    def set_log_level(self, level: str) -> str:
        return api.decode(api.LogLevel, self._transport.call("PUT", "/v1/log-level", body={"level": level})).level

    def stop(self) -> api.Stopping:
        return api.decode(api.Stopping, self._transport.call("POST", "/v1/stop"))

    def call(self, method: str, path: str, body: Json = None) -> Json:
        """Any operation of the API by its path, decoded JSON in and out."""
        return self._transport.call(method, path, body=body)


def _named(name: str) -> str:
    if not name or "/" in name:
        raise BadRequest(f"{name!r} is no datastore's name.", remedy="Lowercase letters, digits and underscores.")
    return f"/v1/datastores/{name}"


def _task(task_id: str) -> str:
    if not task_id or "/" in task_id:
        raise BadRequest(f"{task_id!r} is no task's id.", remedy="List the tasks with `mountctl tasks list`.")
    return f"/v1/tasks/{task_id}"
