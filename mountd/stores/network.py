"""How requests of every library leave this machine: certificate authorities and proxy, decided once.

Authorities: the system's, and those of `ca_file` beside them. Proxy: the configured one, else what HTTPS_PROXY, HTTP_PROXY
and NO_PROXY of the environment say, which obstore and azure-identity read too: without this our own client would differ.
The instance metadata address is never behind a proxy.
"""

import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from mountd.errors import InvalidDefinition
from mountd.stores.config import NetworkConfig

METADATA_ORIGIN = "http://169.254.169.254"


def tls_context(network: NetworkConfig) -> ssl.SSLContext:
    """Raises InvalidDefinition when `ca_file` cannot be read or holds no certificate."""
    context = ssl.create_default_context()
    if network.ca_file:
        try:
            context.load_verify_locations(cafile=network.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidDefinition(
                f"The certificate authorities in {network.ca_file} cannot be used ({type(error).__name__}).",
                remedy="Give a readable PEM file.",
            ) from error
    return context


def authorities(network: NetworkConfig) -> bytes:
    """The PEM text of `ca_file`, checked; b"" when there is none."""
    if not network.ca_file:
        return b""
    tls_context(network)
    with open(network.ca_file, "rb") as file:
        return file.read()


def proxy_for(network: NetworkConfig, scheme: str, host: str) -> str:
    """The proxy's URL for requests to that host; "" for none. InvalidDefinition for one that cannot be."""
    if network.proxy:
        return _usable(network.proxy)
    proxies = getproxies()
    if proxy_bypass(host):
        return ""
    return _usable(proxies.get(scheme, "") or proxies.get("all", ""))


def _usable(proxy: str) -> str:
    """With its scheme, which may be left out, as everywhere. It may hold a password, so it is never said."""
    if not proxy:
        return ""
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # the port can refuse
    except ValueError:
        good = False
    if not good:
        raise InvalidDefinition(
            "The proxy is not a URL of http or https.",
            remedy="Write http://HOST:PORT as stores.proxy, or in HTTPS_PROXY of the environment.",
        )
    return url


def identity_options(network: NetworkConfig) -> dict[str, Any]:
    """Keyword arguments that make an azure-identity credential use this network, and leave retrying to us."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter

    context = tls_context(network)

    class Adapter(HTTPAdapter):
        """requests takes a file of authorities instead of the system's; a context has both."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  requests' own signature
            super().init_poolmanager(*args, ssl_context=context, **options)

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  requests' own signature
            return super().proxy_manager_for(proxy, ssl_context=context, **options)

    session = requests.Session()
    session.mount("https://", Adapter())
    transport = RequestsTransport(
        session=session,
        session_owner=True,
        connection_timeout=network.connect_timeout,
        read_timeout=network.stall_timeout,
    )
    options: dict[str, Any] = {"transport": transport, "retry_total": 1}
    if network.proxy:
        options["proxies"] = {"http": network.proxy, "https": network.proxy, METADATA_ORIGIN: ""}
    return options
