"""A named request and what must have happened before it; the words the tables in cases/ are written in."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.differential.exchange import Step, block_list

BLOCK = {"x-ms-blob-type": "BlockBlob"}
BODY = b"0123456789"
LEASE = "11111111-1111-1111-1111-111111111111"
OTHER_LEASE = "22222222-2222-2222-2222-222222222222"
PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2038 00:00:00 GMT"


@dataclass(frozen=True)
class Case:
    """`steps` run in order on a new container; every answer is compared."""

    name: str
    steps: tuple[Step, ...]
    container: bool = True  # make the container first


def case(name: str, *steps: Step, container: bool = True) -> Case:
    return Case(name, steps, container)


def request(
    method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", *, by: str = "key"
) -> Step:
    return Step(method, target, dict(headers or {}), body, by)


def get(target: str, headers: Mapping[str, str] | None = None, *, by: str = "key") -> Step:
    return request("GET", target, headers, by=by)


def head(target: str, headers: Mapping[str, str] | None = None, *, by: str = "key") -> Step:
    return request("HEAD", target, headers, by=by)


def put(target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", *, by: str = "key") -> Step:
    return request("PUT", target, headers, body, by=by)


def delete(target: str, headers: Mapping[str, str] | None = None, *, by: str = "key") -> Step:
    return request("DELETE", target, headers, by=by)


def blob(name: str = "blob", body: bytes = BODY, headers: Mapping[str, str] | None = None) -> Step:
    """Puts a block blob."""
    return put(name, BLOCK | dict(headers or {}), body)


def staged(name: str, identifier: str, body: bytes) -> Step:
    return put(f"{name}?comp=block&blockid={identifier.replace('=', '%3D')}", body=body)


def committed(name: str, *entries: str, headers: Mapping[str, str] | None = None) -> Step:
    return put(f"{name}?comp=blocklist", headers, block_list(*entries))


def leased(name: str = "blob", duration: int = -1, lease: str = LEASE) -> Step:
    words = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": str(duration), "x-ms-proposed-lease-id": lease}
    return put(f"{name}?comp=lease", words)


def lease_action(action: str, target: str = "blob?comp=lease", lease: str = LEASE, **more: str) -> Step:
    words = {"x-ms-lease-action": action, "x-ms-lease-id": lease}
    return put(target, words | {f"x-ms-{name.replace('_', '-')}": value for name, value in more.items()})
