"""How storages are reached: the settings of stores/, each with the reason for its default."""

from dataclasses import dataclass

from mountd.settings import Unit, setting


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The way to the network, the same for every library in use."""

    proxy: str = setting("", "HTTP proxy URL for every storage and token request; empty: connect directly")
    ca_file: str = setting(
        "",
        "PEM file of certificate authorities trusted beside the system's: private endpoints, intercepting proxies",
        unit=Unit.PATH,
    )
    connect_timeout: float = setting(
        5.0, "a connection takes one round trip: beyond this the host is down or filtered", unit=Unit.DURATION
    )
    stall_timeout: float = setting(
        10.0,
        "no byte for this long is a stalled transfer: abandoned, so that it can be tried again in time",
        unit=Unit.DURATION,
    )
