"""Settings of the control socket."""

from dataclasses import dataclass

from mountd.settings import Unit, setting


@dataclass(frozen=True)
class ControlConfig:
    """How the operator's door is built."""

    group: str = setting("", "whose members administrate beside the owner; empty: the daemon's own group")
    status_for_others: bool = setting(False, "others see nothing unless asked for: the socket is 0660, with this 0666")
    request_limit: int = setting(1 << 20, "a request holds one definition; a certificate is a few KiB", unit=Unit.SIZE)
    order_limit: int = setting(
        256 << 20,
        "a job's order for `mountctl prefetch`: a few million paths; packed, a tenth stays in memory",
        unit=Unit.SIZE,
    )
    orders: int = setting(
        16, "orders followed at once; an ended job's goes after an hour, or with `mountctl tasks cancel`"
    )
    connections: int = setting(64, "a stream of events holds one; more than this is a program gone wrong")
    idle_timeout: float = setting(30.0, "a client that says nothing for so long is hung up on", unit=Unit.DURATION)
    drain_timeout: float = setting(2.0, "at stop, how long an answer in progress may still take", unit=Unit.DURATION)
    task_history: int = setting(200, "ended tasks that `mountctl tasks` still shows; about 500 bytes each")
    event_history: int = setting(1000, "events a new reader of the stream may ask for; about 300 bytes each")
    warm_parallel: int = setting(16, "files warmed at once: hides 10 ms a request without starving readers")
