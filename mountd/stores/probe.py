"""Whether a definition can be used, tried by what it will need: a listing of one entry.

A container's SAS cannot read properties, and nothing but a listing shows that a mount will work. The kinds name what
they are told (no such container, refused, expired, clock skew, …); here a lost connection gets a second chance, and a
failure of the way there says what to look at.
"""

import random

import trio

from mountd.definitions import DatastoreDefinition, DatastoreKind
from mountd.errors import StoreError, StoreTimeout, Throttled, Unavailable
from mountd.stores.config import StoreConfig
from mountd.stores.interface import Reader
from mountd.stores.opening import raw_store
from mountd.stores.retrying import Backoff

ATTEMPTS = 3
"""Somebody is waiting for the answer: enough for a lost connection, too few for an outage."""


async def probe(definition: DatastoreDefinition, config: StoreConfig) -> None:
    """Returns if the first page of a listing comes. Raises the precise StoreError, or InvalidDefinition."""
    raw = raw_store(definition, config)
    try:
        await _listed(raw, definition, config)
    finally:
        with trio.CancelScope(shield=True):
            await raw.aclose()


async def _listed(raw: Reader, definition: DatastoreDefinition, config: StoreConfig) -> None:
    backoff = Backoff(ATTEMPTS, config.retry_first_delay, config.retry_longest_delay)
    chance = random.Random()
    began = trio.current_time()
    for failures in range(1, ATTEMPTS + 1):
        try:
            with trio.fail_at(began + config.deadline):
                await anext(aiter(raw.list("", recursive=True, page_size=1)), None)
            return
        except trio.TooSlowError as slow:
            error: StoreError = StoreTimeout(
                f"Datastore '{definition.name}' gave no answer in {config.deadline:.0f} s."
            )
            error.remedy = _WAY
            raise error from slow
        except (Throttled, Unavailable, StoreTimeout) as lost:
            delay = backoff.delay(failures, lost, chance)
            if delay is None or trio.current_time() + delay >= began + config.deadline:
                lost.remedy = lost.remedy or (_WAY if definition.kind is DatastoreKind.BLOB else "")
                raise
            await trio.sleep(delay)


_WAY = "Check this machine's network: DNS, proxy, firewall, and whether the account takes only private endpoints."
