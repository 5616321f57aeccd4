"""One datastore's protection: every request goes through run(), which owns retries, breaker, places, caps and deadline.

A call fails when nothing was heard for it in `deadline` seconds: bytes or an answer move its deadline on, and so does
waiting in a queue that moves (a place while other requests are answered, a cap's turn). A kind that cannot tell bytes as
they come gets the time that they take at `slowest_rate` on top. It knows nothing of what is asked, only of how that went.
It starts no task: an idle datastore costs nothing.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from mountd.errors import StoreError, StoreTimeout, Unavailable
from mountd.stores.breaker import Breaker, BreakerLimits, Permission, State
from mountd.stores.bulkhead import Bulkhead
from mountd.stores.calls import Call
from mountd.stores.config import StoreConfig
from mountd.stores.health import HealthRecord, concerns_datastore
from mountd.stores.interface import HealthState, StoreHealth
from mountd.stores.meters import Meters, Operation
from mountd.stores.progress import LISTENER
from mountd.stores.rate import TokenBucket
from mountd.stores.retrying import NEVER_ACTED, OUTAGE, RETRIED, Backoff

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_PART = 8
"""Of the places, this part is kept from reads that are begun without waiting."""


class Protection:
    """What stands between one datastore and everyone who asks it. `chance` is where jitter comes from."""

    def __init__(self, datastore: str, config: StoreConfig, health: HealthRecord, chance: random.Random) -> None:
        self.datastore = datastore
        self.health = health
        self._config = config
        self._chance = chance
        self._backoff = Backoff.of(config)
        self.breaker = Breaker(BreakerLimits.of(config))
        self.bulkhead = Bulkhead(config.concurrency)
        # Reads that may be begun at once without waiting: the rest is for what a person waits for, listings and the like.
        self.places = max(1, config.concurrency - max(1, config.concurrency // KEPT_PART))
        self.meters = Meters(datastore, lambda: self.bulkhead.in_flight, config.concurrency)
        per_second = config.requests_per_second
        self._requests = TokenBucket(per_second, max(1.0, per_second)) if per_second else None
        # A tenth of a second's bytes at once: smooth enough for a shared link, and rarely a wait for a slow reader.
        self._bytes = (
            TokenBucket(config.bytes_per_second, config.bytes_per_second / 10) if config.bytes_per_second else None
        )
        # State: when the first request may go (start jitter); None once it has.
        self._starts_at: float | None = None
        self._started = config.start_jitter <= 0
        self._plain = self._started and self._requests is None and self._bytes is None
        self._closed = trio.Event()

    async def run(self, operation: Operation, attempt: Callable[[], Awaitable[T]], size: int = 0) -> T:
        """What `attempt` gives, asked again as often as is harmless and useful. `size`: bytes it moves, both ways."""
        return await self._attempts(Call(operation, size, trio.current_time()), attempt)

    async def go_on(self, call: Call, error: BaseException | None, attempt: Callable[[], Awaitable[T]]) -> T:
        """As `run`, for a call that was begun without waiting and has failed."""
        if not isinstance(error, StoreError):
            raise error or AssertionError("a call that has not failed goes on by itself")
        await self._pause(self._pause_after(call, error))
        return await self._attempts(call, attempt)

    async def _attempts(self, call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
        while True:
            if not (self._plain and self.breaker.state is State.CLOSED and self.bulkhead.take_now()):
                await self._admitted(call)
            try:
                return await self._attempted(call, attempt)
            except StoreError as error:
                pause = self._pause_after(call, error)
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._closed.wait()

    async def _attempted(self, call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
        """One request, holding a place. Ends the breaker's trial, if this is it, whatever happens."""
        listener = LISTENER.set(call)
        try:
            with trio.CancelScope(deadline=call.attempt(trio.current_time(), self._limits_of(call))) as scope:
                call.within(scope)
                result = await attempt()
            if scope.cancelled_caught:
                raise self.stalled(call)
        except StoreError as error:
            self.failed(call, error)
            raise
        except BaseException:
            self.let_go(call)
            raise
        finally:
            LISTENER.reset(listener)
        self.succeeded(call)
        return result

    # One attempt without waiting: begun, and ended by one of three -----------------------------------------------------

    def begin(self, operation: Operation, size: int) -> Call | None:
        """A call that holds a place and has the breaker's permission; None where either would have to be waited for."""
        if not (self._plain and self.breaker.state is State.CLOSED and self.bulkhead.take_now()):
            return None
        now = trio.current_time()
        call = Call(operation, size, now)
        call.attempt(now, self._limits_of(call))
        return call

    def succeeded(self, call: Call) -> None:
        self.bulkhead.release()
        now = trio.current_time()
        self._answered(now)
        meter = self.meters.of[call.operation]
        meter.succeeded()
        meter.took(now - call.started)
        self.health.succeeded()

    def failed(self, call: Call, error: StoreError) -> None:
        self.bulkhead.release()
        now = trio.current_time()
        call.failures += 1
        call.error = error
        self.meters.failed(call.operation, error.code)
        if isinstance(error, OUTAGE):
            self.breaker.failed(now, trial=call.trial, retry_after=error.retry_after or 0.0)
        else:
            self._answered(now)
        self._note(call, error)

    def let_go(self, call: Call) -> None:
        """Given up by whoever asked, or by a bug."""
        self.bulkhead.release()
        if call.trial:
            self.breaker.abandoned()

    def stalled(self, call: Call) -> StoreTimeout:
        waited = trio.current_time() - call.progress
        return StoreTimeout(f"Datastore '{self.datastore}' made no progress for {waited:.0f} s.")

    def _limits_of(self, call: Call) -> tuple[float, float]:
        """Seconds that one attempt may take without a sign of progress, and the whole call.

        A mutation cannot be sent again: its one attempt gets all there is."""
        config = self._config
        moving = call.size / config.slowest_rate
        patience = config.stall_timeout if call.repeatable else config.deadline
        return patience + moving, config.deadline + moving

    def _answered(self, now: float) -> None:
        if self.breaker.state is State.OPEN:
            self.meters.breaker_open(0)
        self.breaker.answered(now)

    def _note(self, call: Call, error: StoreError) -> None:
        """Each failure is logged once, here, with the storage's request id; an answer about one key is no failure."""
        if concerns_datastore(error):
            self.health.failed(error)
        elif not isinstance(error, RETRIED):
            return
        operation, code, request_id = call.operation.label, error.code, error.request_id
        logger.warning(
            "Datastore %s: %s failed (%s): %s [request %s]",
            *(self.datastore, operation, code, error, request_id or "unknown"),
            extra={"datastore": self.datastore, "operation": operation, "code": code, "request_id": request_id},
        )

    def _pause_after(self, call: Call, error: StoreError) -> float:
        """How long to wait before asking again; raises the failure where that is not to be."""
        if self._closed.is_set() or not isinstance(error, RETRIED if call.repeatable else NEVER_ACTED):
            raise error
        now = trio.current_time()
        pause = self._backoff.delay(max(1, call.failures), error, self._chance)
        refused = call.trial and self.breaker.state is State.OPEN
        call.trial = False
        if refused or pause is None or now + pause >= call.progress + self._config.deadline:
            self._give_up(call, error.retry_after or 0.0)
            raise error
        self.meters.repeated(error.code)
        return pause

    def _give_up(self, call: Call, retry_after: float) -> None:
        if isinstance(call.error, OUTAGE):
            self.breaker.gave_up(trio.current_time(), call.progress, retry_after=retry_after)
            self.meters.breaker_open(self.breaker.state is State.OPEN)

    def report(self) -> StoreHealth:
        retry_in = max(0.0, self.breaker.next_trial - trio.current_time()) if self.breaker.state is State.OPEN else None
        return self.health.report(
            retry_in=retry_in, in_flight=self.bulkhead.in_flight, in_flight_limit=self._config.concurrency
        )

    def close(self) -> None:
        """From now on nothing is tried again, and nobody waits: the datastore is gone."""
        self._closed.set()
        self.breaker.changed.unpark_all()
        self.meters.close()

    # Before a request goes out ------------------------------------------------------------------------------------

    async def _admitted(self, call: Call) -> None:
        """Returns holding a place, with the breaker's permission."""
        if not self._plain:
            await self._turn(call)
        while True:
            await self._place(call)
            if self._closed.is_set():
                self.bulkhead.release()
                raise Unavailable(f"Datastore '{self.datastore}' was closed.")
            permission = self.breaker.ask(trio.current_time())
            if permission in (Permission.ASK, Permission.TRY):
                call.trial = permission is Permission.TRY
                return
            self.bulkhead.release()
            if permission is Permission.REFUSED:
                raise self._refusal()
            await self._found_out(call)

    async def _turn(self, call: Call) -> None:
        """Waits for the start's jitter and the caps. That is our own doing, so the deadline counts from its end."""
        now = trio.current_time()
        if not self._started:
            if self._starts_at is None:
                self._starts_at = now + self._config.start_jitter * self._chance.random()
            await trio.sleep_until(self._starts_at)
            self._started = True
        for bucket, units in ((self._requests, 1), (self._bytes, call.size)):
            wait = bucket.reserve(units, trio.current_time()) if bucket and units else 0.0
            if bucket and wait:
                try:
                    await trio.sleep(wait)
                except trio.Cancelled:
                    bucket.give_back(units)
                    raise
        call.progress = trio.current_time()

    async def _place(self, call: Call) -> None:
        """A place in the bulkhead. While others' requests are answered the queue moves, and this call has not failed."""
        turn = self.bulkhead.turn()
        while not self.bulkhead.take_now():
            heard = max(call.progress, self.breaker.last_answer)
            with trio.move_on_at(heard + self._config.deadline) as scope:
                await self.bulkhead.take(turn)
            if not scope.cancelled_caught:
                call.progress = max(call.progress, self.breaker.last_answer)
                return
            if self.breaker.last_answer <= heard:
                raise self._too_late(call)

    async def _found_out(self, call: Call) -> None:
        """Waits while another call tries the datastore for all, until something changed or this one may try."""
        deadline = call.progress + self._config.deadline
        if trio.current_time() >= deadline:
            raise self._too_late(call)
        until = deadline if self.breaker.trying else min(deadline, self.breaker.next_trial)
        with trio.move_on_at(until):
            await self.breaker.changed.park()

    def _too_late(self, call: Call) -> StoreError:
        """For a call that met its deadline while it waited for others."""
        if call.error is None and self.health.state is HealthState.UNREACHABLE:
            call.error = self._refusal()
        elif call.error is None:
            call.error = StoreTimeout(f"Datastore '{self.datastore}' gave no answer for {self._config.deadline:.0f} s.")
        self._give_up(call, 0.0)
        return call.error

    def _refusal(self) -> Unavailable:
        wait = max(0.0, self.breaker.next_trial - trio.current_time())
        report = self.health.report(retry_in=None, in_flight=0)
        when = "one request is trying it now" if self.breaker.trying else f"it is asked again in {wait:.0f} s"
        return Unavailable(
            f"Datastore '{self.datastore}' does not answer; {when}. Last failure: {report.last_error}",
            remedy="See `mountctl status`.",
            request_id=report.request_id or None,
        )
