"""How storages are reached and how much is asked of them: the settings of stores/, each with the reason for its default.

Two classes, one list of keys: a StoreConfig is a NetworkConfig, so that a raw kind that needs only the network is
handed the whole. There is no switch that turns certificate checks off: a private authority goes into `ca_file`.
"""

from dataclasses import dataclass

from mountd.settings import Unit, setting


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The way to the network, the same for every library in use."""

    proxy: str = setting(
        "",
        "http://HOST:PORT for every storage and token request; empty: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment",
    )
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
    slowest_rate: int = setting(
        64 * 1024,
        "an attempt gets stall_timeout plus its bytes at this rate: a link shared by a whole cluster is slow, not dead",
        unit=Unit.RATE,
    )
    block_checksums: bool = setting(
        False,
        "TLS already protects the way, and the length is always verified: a checksum of each range of 4 MiB or less costs "
        "the service a pass over it and this node about 0.1 s of CPU a GB",
    )


@dataclass(frozen=True, slots=True)
class StoreConfig(NetworkConfig):
    """How one datastore is protected from the network, from the others and from itself (SEMANTICS 32)."""

    deadline: float = setting(
        30.0,
        "without a byte or an answer for this long a call fails: longer than a service's fail-over, shorter than patience",
        unit=Unit.DURATION,
    )
    retry_attempts: int = setting(10, "with the delays below they fill the deadline; more only burdens a sick service")
    retry_first_delay: float = setting(
        0.1,
        "a lost connection is usually back at once; doubled each time, and drawn at random from its upper half",
        unit=Unit.DURATION,
    )
    retry_longest_delay: float = setting(8.0, "a service that comes back is noticed within seconds", unit=Unit.DURATION)
    breaker_failures: int = setting(
        5, "failures in a row, with no answer between, after which one call tries for all and the others wait for it"
    )
    breaker_trial_delay: float = setting(
        5.0,
        "an open breaker lets one call try after this long, then after twice as long each time, up to the deadline",
        unit=Unit.DURATION,
    )
    rotation_wait: float = setting(
        3.0,
        "a credential that was good is refused: so long its calls wait for a rotation, as keys are replaced at the storage "
        "first; then readers have EACCES, at once from then on",
        unit=Unit.DURATION,
    )
    concurrency: int = setting(
        64,
        "requests at once to one datastore: 32 of 2 MiB fill a link with 10 ms to the first byte; twice that, for small ones",
    )
    requests_per_second: float = setting(
        0.0, "0: no cap. On a thousand nodes set the account's limit (20,000 a second) divided by the nodes"
    )
    bytes_per_second: int = setting(
        0, "0: no cap. On a thousand nodes set the account's egress limit divided by the nodes", unit=Unit.RATE
    )
    start_jitter: float = setting(
        0.0,
        "0: one node should not wait. Where many nodes start at once, their first requests are spread over this long",
        unit=Unit.DURATION,
    )
