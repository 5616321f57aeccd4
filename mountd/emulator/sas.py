"""Shared access signatures: account, service (with stored policies) and user delegation; made and verified.

Source: "Create an account SAS", "Create a service SAS", "Create a user delegation SAS". Pure: the time, the address and the
policies come in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from .failures import ServiceFailure
from .messages import Address, Request
from .sharedkey import same, signature
from .state import Account, Policy

VERSION = "2021-12-02"
RESPONSE_HEADERS = ("rscc", "rscd", "rsce", "rscl", "rsct")
RESPONSE_NAMES = {
    "rscc": "Cache-Control", "rscd": "Content-Disposition", "rsce": "Content-Encoding", "rscl": "Content-Language",
    "rsct": "Content-Type",
}  # fmt: skip
RESOURCES = frozenset({"b", "c", "bs", "d"})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid SAS permits."""

    permissions: str
    kind: str  # account, service, delegation
    resource_types: str = ""


def verify(request: Request, account: Account, address: Address, now: float) -> Grant:
    """The grant of a request's SAS; raises the service's failure for a bad, early or late one."""
    query = request.query
    if "ss" in query or "srt" in query:
        grant, start, end = _account(query, account)
    else:
        grant, start, end = _scoped(request, account, address)
    _in_time(start, end, now)
    if query.get("spr", "https,http").lower() == "https" and not request.secure:
        raise ServiceFailure("AuthorizationProtocolMismatch")
    allowed = query.get("sip")
    if allowed and not _includes(allowed, "127.0.0.1"):
        raise ServiceFailure("AuthorizationSourceIPMismatch", address="127.0.0.1")
    return grant


def _account(query: Mapping[str, str], account: Account) -> tuple[Grant, str, str]:
    names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    if query.get("sv", "") >= "2020-12-06":
        names.append("ses")
    text = "\n".join([account.name, *(query.get(name, "") for name in names), ""])
    _signed(query, account.keys, text)
    if "b" not in query.get("ss", ""):
        raise ServiceFailure("AuthorizationServiceMismatch")
    grant = Grant(query.get("sp", ""), "account", query.get("srt", ""))
    return grant, query.get("st", ""), query.get("se", "")


def _scoped(request: Request, account: Account, address: Address) -> tuple[Grant, str, str]:
    query = request.query
    resource = query.get("sr", "")
    if resource not in RESOURCES:
        raise _refused("sr is mandatory. Cannot be empty")
    path = f"/blob/{account.name}/{address.container}"
    if resource in {"b", "bs"}:
        path += f"/{address.key}"
    elif resource == "d":
        path += "/" + "/".join(address.key.split("/")[: int(query.get("sdd", "0"))])
    if "skoid" in query:
        _signed(query, (delegation_key(account, query),), _delegated(request, path))
        return Grant(query.get("sp", ""), "delegation"), query.get("st", ""), query.get("se", "")
    _signed(query, account.keys, service_text(query, path))
    policy = Policy()
    identifier = query.get("si", "")
    if identifier:
        container = account.containers.get(address.container)
        if container is None or identifier not in container.policies:
            raise _refused("Access policy not found")
        policy = container.policies[identifier]
    grant = Grant(query.get("sp", "") or policy.permissions, "service")
    return grant, query.get("st", "") or policy.start, query.get("se", "") or policy.expiry


def service_text(query: Mapping[str, str], path: str) -> str:
    """The string to sign of a service SAS, which grew with the service's versions."""
    version = query.get("sv", "")
    parts = [query.get(name, "") for name in ("sp", "st", "se")]
    parts += [path, *(query.get(name, "") for name in ("si", "sip", "spr", "sv"))]
    if version >= "2018-11-09":
        parts += [query.get("sr", ""), query.get("snapshot", "")]
    if version >= "2020-12-06":
        parts.append(query.get("ses", ""))
    parts += [query.get(name, "") for name in RESPONSE_HEADERS]
    return "\n".join(parts)


def _delegated(request: Request, path: str) -> str:
    query = request.query
    version = query.get("sv", "")
    parts = [query.get(name, "") for name in ("sp", "st", "se")]
    parts += [path, *(query.get(name, "") for name in ("skoid", "sktid", "skt", "ske", "sks", "skv"))]
    if version >= "2020-02-10":
        parts += [query.get(name, "") for name in ("saoid", "suoid", "scid")]
    if version >= "2025-07-05":
        parts += [query.get(name, "") for name in ("skdutid", "sduoid")]
    parts += [query.get(name, "") for name in ("sip", "spr", "sv", "sr", "snapshot")]
    if version >= "2020-12-06":
        parts.append(query.get("ses", ""))
    if version >= "2026-04-06":
        # Request headers and query parameters that must come with it, each with its value, in a frame of line ends.
        headers = [
            f"{name}:{request.headers.get(name.lower(), '')}\n" for name in query.get("srh", "").split(",") if name
        ]
        wanted = [f"\n{name}:{query.get(name.lower(), '')}" for name in query.get("srq", "").split(",") if name]
        parts += ["".join(headers), "".join(wanted)]
    parts += [query.get(name, "") for name in RESPONSE_HEADERS]
    return "\n".join(parts)


def delegation_key(account: Account, named: Mapping[str, str]) -> str:
    """The user delegation key of what names it: derived, so that nothing has to be remembered."""
    text = "\n".join(["delegation", *(named.get(name, "") for name in ("skoid", "sktid", "skt", "ske", "sks", "skv"))])
    return signature(account.key, text)


def _signed(query: Mapping[str, str], keys: tuple[str, ...], text: str) -> None:
    if not any(same(query.get("sig", ""), signature(key, text)) for key in keys):
        raise _refused(f"Signature did not match. String to sign used was {text}")


def _in_time(start: str, end: str, now: float) -> None:
    began, ends = moment(start) if start else 0.0, moment(end)
    if began <= now < ends:
        return
    said = [datetime.fromtimestamp(at, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT") for at in (began, ends, now)]
    raise _refused(
        f"Signature not valid in the specified time frame: Start [{said[0]}] - Expiry [{said[1]}] - Current [{said[2]}]"
    )


def moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time in UTC, as a SAS writes it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise _refused(f"A time is not valid: {text}") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _includes(allowed: str, address: str) -> bool:
    first, _, last = allowed.partition("-")
    numbers = [
        tuple(int(part) for part in ip.split(".")) for ip in (first, address, last or first) if ip.count(".") == 3
    ]
    return len(numbers) == 3 and numbers[0] <= numbers[1] <= numbers[2]


def _refused(detail: str) -> ServiceFailure:
    return ServiceFailure("AuthenticationFailed", detail=detail)


def container_sas(
    account: Account, container: str, permissions: str, expiry: float, *, start: float | None = None
) -> str:
    """A service SAS for a container (a query without its question mark)."""
    query = {"sv": VERSION, "sr": "c", "sp": permissions, "se": _iso(expiry)}
    if start is not None:
        query["st"] = _iso(start)
    query["sig"] = signature(account.key, service_text(query, f"/blob/{account.name}/{container}"))
    return urlencode(query)


def account_sas(
    account: Account, permissions: str, expiry: float, *, resource_types: str = "sco", services: str = "b"
) -> str:
    """An account SAS."""
    query = {"sv": VERSION, "ss": services, "srt": resource_types, "sp": permissions, "se": _iso(expiry)}
    text = "\n".join([account.name, permissions, services, resource_types, "", query["se"], "", "", VERSION, "", ""])
    query["sig"] = signature(account.key, text)
    return urlencode(query)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
