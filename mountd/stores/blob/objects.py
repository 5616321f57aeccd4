"""Ranged GETs of one version in a thread: what the loop's own connections leave to one (connections.Connections): large ranges
through TLS, proxies, checksums. Through obstore where it is exact, through our REST client where it is not or has failed.

obstore deciphers on as many cores as there are, without the interpreter; it cannot name every key (empty and dot segments, control
characters, a slash at an end) and its errors carry no code. So a failure is asked again once through REST, whose answer
stands: bytes, or an error with its status, code and request id. A stall is known by the clock and is not asked again.
Every answer's length and version are checked, whoever brought it. Synchronous, for pool threads.
"""

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, GenericError
from obstore.store import AzureStore

from mountd.errors import StoreError, StoreTimeout, Unavailable
from mountd.stores.blob.endpoint import Endpoint
from mountd.stores.blob.rest import Progress, RestClient
from mountd.stores.config import NetworkConfig
from mountd.stores.credentials import Signer
from mountd.stores.network import authorities, proxy_for
from mountd.types import Buffer, Version

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig

# Empty, `.` and `..` segments, a slash at either end, control characters: obstore refuses or changes these.
_INEXACT = re.compile(r"^/|/$|//|(?:^|/)\.{1,2}(?:/|$)|[\x00-\x1f\x7f]")
# The whole of one GET at `slowest_rate`: a stall ends a bad one and the caller's deadline a slow one, but obstore's call cannot
# be left, and a storage that sends a byte now and then would hold its thread for ever.
LARGEST_GET = 8 << 20
CHECKED = 4 << 20
# Load balancers forget an idle connection after four minutes, without a word.
IDLE_CONNECTION = timedelta(seconds=90)


def exact_in_obstore(key: str) -> bool:
    """Whether obstore sends this key unchanged."""
    return _INEXACT.search(key) is None


class Objects:
    def __init__(self, endpoint: Endpoint, signer: Signer, network: NetworkConfig, rest: RestClient) -> None:
        self._endpoint = endpoint
        self._signer = signer
        self._network = network
        self._rest = rest
        self._generation = signer.generation
        self._store: AzureStore | None = None

    def _opened(self) -> AzureStore:
        network = self._network
        client: ClientConfig = {
            "allow_http": self._endpoint.scheme == "http",
            "connect_timeout": timedelta(seconds=network.connect_timeout),
            "read_timeout": timedelta(seconds=network.stall_timeout),
            "timeout": timedelta(seconds=network.stall_timeout + LARGEST_GET / network.slowest_rate),
            "pool_idle_timeout": IDLE_CONNECTION,
        }
        if proxy := proxy_for(network, self._endpoint.scheme, self._endpoint.host):
            client["proxy_url"] = proxy
        if network.ca_file:
            client["root_certificate"] = authorities(network)
        provider = self._signer.obstore_provider()
        # Everything that the environment could say instead is said here.
        config: AzureConfig = {
            "account_name": self._endpoint.account,
            "endpoint": self._endpoint.service,
            "use_emulator": False,
            "use_fabric_endpoint": False,
            "skip_signature": provider is None,
        }
        return AzureStore(
            self._endpoint.container,
            config=config,
            client_options=client,
            retry_config={"max_retries": 0, "retry_timeout": timedelta(0)},
            credential_provider=provider,
        )

    def read(self, version: Version, start: int, stop: int, progress: Progress) -> Buffer:
        if exact_in_obstore(version.key) and not self._network.block_checksums:
            began = time.monotonic()
            try:
                return self._through_obstore(version, start, stop)
            except (BaseError, FileNotFoundError, OSError, ValueError) as error:
                if isinstance(error, GenericError) and time.monotonic() - began >= self._network.stall_timeout:
                    raise StoreTimeout(
                        f"No byte of {version.key!r} from {self._endpoint} for {self._network.stall_timeout} s."
                    ) from error
        return self._through_rest(version, start, stop, progress)

    def _through_obstore(self, version: Version, start: int, stop: int) -> Buffer:
        self._signer.prepare()
        if self._store is None or self._generation != self._signer.generation:
            self._generation, self._store = self._signer.generation, self._opened()
        quoted = f'"{version.etag}"'
        found = obstore.get(self._store, version.key, options={"range": (start, stop), "if_match": quoted})
        body = found.bytes()
        meta = found.meta
        if len(body) != stop - start or meta["size"] != version.size or meta["e_tag"] != quoted:
            raise ValueError("another range or version than was asked for")
        return memoryview(body)

    def _through_rest(self, version: Version, start: int, stop: int, progress: Progress) -> Buffer:
        """Goes on from the byte it reached as long as each answer brings some; else raises with what there is."""
        view = memoryview(bytearray(stop - start))
        received = 0
        checked = self._network.block_checksums
        try:
            while received < len(view):
                # Only a whole answer can be compared, and the service sums 4 MiB at most.
                part = view[received : received + CHECKED] if checked else view[received:]
                came = self._rest.read_into(version, start + received, part, progress, checked=checked)
                if not came or (checked and came < len(part)):
                    raise Unavailable(f"The service's answer was cut short of {version.key!r}.")
                received += came
        except StoreError as error:
            error.received = view[:received].toreadonly()
            raise
        return view.toreadonly()
