"""The operations on datastores: register, list, get, unregister, default, rotate, and the one that answers a secret.

The registry decides and stores; then what is open and shown follows it. Changes happen one at a time. It must not know HTTP
or roles.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import TypeVar

import trio

from mountd import api
from mountd.control.failures import ANSWERS, failure_of
from mountd.control.holdings import Holdings, same_place
from mountd.control.interface import Parts
from mountd.control.words import definition_of, words_of
from mountd.errors import DatastoreInUse, MountdError
from mountd.registry.arguments import credential_of, with_credential
from mountd.registry.interface import Listed
from mountd.registry.validation import datastore_name
from mountd.stores.interface import StoreHealth

T = TypeVar("T")


class Datastores:
    """The datastores of a workspace. `changing` is held by whoever changes the registry, over the waits in between; `greet`
    asks a datastore for one entry in the background, so that its state is known."""

    def __init__(self, holdings: Holdings, parts: Parts, changing: trio.Lock, greet: Callable[[str], None]) -> None:
        self._holdings = holdings
        self._registry = parts.registry
        self._probe = parts.probe
        self._events = parts.events
        self._changing = changing
        self._greet = greet

    # Asking ----------------------------------------------------------------------------------------------------------

    def list(self) -> list[api.Datastore]:
        return [self._view(listed) for listed in self._registry.list()]

    def get(self, name: str) -> api.Datastore:
        known = self._registry.get(name).name
        return next(self._view(listed) for listed in self._registry.list() if listed.name == known)

    def default(self) -> str:
        """Its name; "" when there is none."""
        return self._registry.default_name()

    def access(self, name: str) -> api.RegisterDatastore:
        """Everything needed to open it, its secret in clear. Never to be logged."""
        return words_of(self._registry.get(name))

    # Changing --------------------------------------------------------------------------------------------------------

    async def register(self, words: api.RegisterDatastore) -> api.Datastore:
        """Validated with the storage unless told not to; stored, opened and shown when this returns."""
        definition = definition_of(words)
        register = partial(
            self._registry.register,
            definition,
            self._probe,
            overwrite=words.overwrite,
            create_if_not_exists=words.create_if_not_exists,
            skip_validation=words.skip_validation,
        )
        async with self._changing:
            name, _ = datastore_name(definition.name)
            before = self._registry.definitions().get(name)
            if before is not None and words.overwrite and not same_place(before, replace(definition, name=name)):
                self._refuse_open_files(name)
            result = await self._change(register)
        self._events.emit("datastore.registered", name, f"Datastore {name} is registered.")
        if not words.skip_validation:
            self._greet(name)
        return replace(self.get(name), warnings=list(result.warnings))

    async def unregister(self, name: str, *, force: bool = False) -> None:
        """Forgets it; the storage is never touched. Refused while people's mappings or open files need it, unless forced.
        A mapping at the datastore's own folder says only how that is shown, and goes with it."""
        async with self._changing:
            name = self._registry.get(name).name
            if not force and not self._holdings.mapped_elsewhere(name) and name != self.default():
                self._refuse_open_files(name)
                force = True
            await self._change(partial(self._registry.unregister, name, self._in_use, force=force))
        self._events.emit("datastore.unregistered", name, f"Datastore {name} is unregistered.")

    async def rotate(self, name: str, words: api.CredentialWords, *, skip_validation: bool = False) -> api.Datastore:
        """Another credential for the same storage, while reads go on. A connection string of another account is refused."""
        given = asdict(words)
        async with self._changing:
            before = self._registry.get(name)
            name = before.name
            credential = with_credential(before, given).credential if words.connection_string else credential_of(given)
            rotate = partial(self._registry.rotate, name, credential, self._probe, skip_validation=skip_validation)
            result = await self._change(rotate)
        self._events.emit("datastore.rotated", name, f"Datastore {name} has a new credential.")
        if not skip_validation:
            self._greet(name)
        return replace(self.get(name), warnings=list(result.warnings))

    async def set_default(self, name: str) -> None:
        async with self._changing:
            await trio.to_thread.run_sync(self._registry.set_default, name)
        self._events.emit("datastore.default", self.default(), f"Datastore {self.default()} is the default.")

    # Inside ----------------------------------------------------------------------------------------------------------

    async def _change(self, change: Callable[[], T]) -> T:
        """A change of the registry, and what is open following it whatever becomes of the asker."""
        result = await trio.to_thread.run_sync(change)
        with trio.CancelScope(shield=True):
            await self._holdings.follow(self._registry.definitions(), self._registry.mappings())
        return result

    def _in_use(self, name: str) -> str | None:
        paths = self._holdings.open_files(name)
        return f"has {len(paths)} open files, such as {paths[0]}" if paths else None

    def _refuse_open_files(self, name: str) -> None:
        if reason := self._in_use(name):
            raise DatastoreInUse(f"The datastore {name!r} {reason}.", remedy="Close them; `mountctl files` lists them.")

    def _view(self, listed: Listed) -> api.Datastore:
        return replace(
            self._fare(listed.name),
            name=listed.name,
            kind=listed.kind.value,
            account=listed.account,
            container=listed.container,
            endpoint=listed.endpoint,
            endpoint_suffix=listed.endpoint_suffix,
            allow_http=listed.allow_http,
            folder=listed.folder,
            credential=listed.credential,
            origin=listed.origin.value,
            default=listed.default,
            note=listed.note,
            paths=self._holdings.paths_of(listed.name),
            warnings=list(listed.warnings),
        )

    def _fare(self, name: str) -> api.Datastore:
        """The part of a datastore's view that says how it fares."""
        try:
            health = self._holdings.store(name).health()
        except MountdError as error:
            return api.Datastore(name=name, kind="", state="broken", last_error=failure_of(error))
        return api.Datastore(
            name=name,
            kind="",
            state=health.state.value,
            since_ns=health.since_ns,
            last_success_ns=health.last_success_ns,
            last_error=_last_error(health),
            last_error_ns=health.last_error_ns,
            retry_at_ns=health.retry_at_ns,
            in_flight=health.in_flight,
            in_flight_limit=health.in_flight_limit,
        )


def _last_error(health: StoreHealth) -> api.Failure | None:
    if not health.last_error:
        return None
    remedies = (remedy for kind, (_, remedy) in ANSWERS.items() if kind.code == health.last_error_code)
    remedy = health.last_remedy or next(remedies, "")
    return api.Failure(health.last_error_code, health.last_error, remedy, health.request_id or None)
