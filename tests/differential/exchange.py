"""One request of a case, sent as it is written to a server, and what of the answer is compared.

Nothing is normalised on the way out: the target goes onto the socket as the case spells it.
"""

import http.client
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import urlsplit
from xml.etree import ElementTree

from mountd.emulator.messages import Request, parse_query
from mountd.emulator.sas import account_sas, container_sas
from mountd.emulator.sharedkey import signature, string_to_sign
from mountd.emulator.state import Account

VERSION = "2024-11-04"
WRONG_KEY = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IQ=="

COMPARED = frozenset(
    {
        "accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5",
        "content-range", "content-type", "x-ms-access-tier", "x-ms-access-tier-inferred", "x-ms-archive-status",
        "x-ms-blob-append-offset", "x-ms-blob-committed-block-count", "x-ms-blob-content-length", "x-ms-blob-content-md5",
        "x-ms-blob-public-access", "x-ms-blob-sealed", "x-ms-blob-sequence-number", "x-ms-blob-type",
        "x-ms-content-crc64", "x-ms-copy-status", "x-ms-error-code", "x-ms-lease-duration", "x-ms-lease-id",
        "x-ms-lease-state", "x-ms-lease-status", "x-ms-lease-time", "x-ms-tag-count",
    }
)  # fmt: skip
PRESENT = frozenset(
    {"etag", "last-modified", "x-ms-request-id", "x-ms-version", "date", "x-ms-snapshot", "x-ms-copy-id"}
)
VOLATILE = frozenset(
    {
        "Etag", "Last-Modified", "Creation-Time", "CopyId", "CopyCompletionTime", "CopySource", "AccessTierChangeTime", "Snapshot",
        "NextMarker", "Marker", "Message", "AuthenticationErrorDetail",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A request. `target` is relative to the case's container; with a leading slash, to the account."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    credential: str = "key"


@dataclass(frozen=True)
class Answer:
    """What is compared: field name → value."""

    fields: Mapping[str, object]
    headers: Mapping[str, str]

    def differences(self, other: "Answer") -> dict[str, tuple[object, object]]:
        names = {*self.fields, *other.fields}
        pairs = {name: (self.fields.get(name), other.fields.get(name)) for name in sorted(names)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


class Target:
    """A server, and one connection to it."""

    def __init__(self, endpoint: str, account: str, key: str) -> None:
        split = urlsplit(endpoint)
        self.endpoint = endpoint
        self._base = split.path
        self._account, self._key = account, key
        self._connection = http.client.HTTPConnection(split.netloc, timeout=20)
        self._host = split.netloc

    def close(self) -> None:
        self._connection.close()

    def send(self, step: Step, values: Mapping[str, str]) -> Answer:
        """Sends; placeholders like {container} in target, headers and body are filled from `values`."""
        words = dict(values) | {"endpoint": self.endpoint, "signed": f"{self.endpoint}/{values['container']}"}
        target = _filled(step.target, words)
        path = f"{self._base}{target}" if target.startswith("/") else f"{self._base}/{values['container']}"
        if not target.startswith("/"):
            path += target if target.startswith("?") or not target else f"/{target}"
        headers = {name.lower(): _filled(value, words) for name, value in step.headers.items()}
        headers = {"host": self._host, "x-ms-version": VERSION, "x-ms-date": formatdate(usegmt=True)} | headers
        if step.method in {"PUT", "POST"} or step.body:
            headers["content-length"] = str(len(step.body))
        path = self._authorised(step, path, headers, values)
        self._connection.putrequest(step.method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders(_filled_bytes(step.body, words))
        response = self._connection.getresponse()
        body = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        if found.get("connection", "").lower() == "close":
            self._connection.close()
        return Answer(_fields(step, response.status, found, body), found)

    def _authorised(self, step: Step, path: str, headers: dict[str, str], values: Mapping[str, str]) -> str:
        kind, _, detail = step.credential.partition(":")
        if kind in {"key", "wrong-key", "lite", "stale"}:
            if kind == "stale":
                headers["x-ms-date"] = formatdate(time.time() - 3600, usegmt=True)
            plain, _, query = path.partition("?")
            request = Request(step.method, plain, parse_query(query), headers)
            text = string_to_sign(request, self._account, lite=kind == "lite")
            key = WRONG_KEY if kind == "wrong-key" else self._key
            scheme = "SharedKeyLite" if kind == "lite" else "SharedKey"
            headers["authorization"] = f"{scheme} {self._account}:{signature(key, text)}"
        elif kind == "header":
            headers["authorization"] = detail
        elif kind != "none":
            path += ("&" if "?" in path else "?") + self._sas(kind, detail, values["container"])
        return path

    def _sas(self, kind: str, permissions: str, container: str) -> str:
        account = Account(self._account, WRONG_KEY if kind == "wrong-sas" else self._key)
        now = time.time()
        if kind == "account-sas":
            letters, _, types = permissions.partition("/")
            return account_sas(account, letters, now + 600, resource_types=types or "sco")
        if kind == "other-sas":
            container = "other-container"
        expiry = now - 600 if kind == "expired-sas" else now + 600
        start = now + 300 if kind == "early-sas" else None
        return container_sas(account, container, permissions, expiry, start=start)


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)


def _filled_bytes(body: bytes, words: Mapping[str, str]) -> bytes | None:
    return body or None


def _fields(step: Step, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, object]:
    fields: dict[str, object] = {"status": status}
    for name, value in headers.items():
        if name in COMPARED or name.startswith("x-ms-meta-"):
            fields[f"header {name}"] = _media(value) if name == "content-type" else value
        elif name in PRESENT:
            fields[f"header {name}"] = "present"
    xml = headers.get("content-type", "").startswith("application/xml")
    if step.method == "HEAD":
        fields["body"] = len(body)
        if status < 300:
            fields["header content-length"] = headers.get("content-length") or "0"
    elif xml and body:
        tree = _tree(ElementTree.fromstring(body.decode("utf-8-sig")))
        fields |= {f"body {path}": text for path, text in tree.items()}
    elif body:
        fields["body"] = body
    return fields


def _media(value: str) -> str:
    return value.partition(";")[0].strip()


def _tree(root: ElementTree.Element) -> dict[str, str]:
    """Every text and attribute by its path; what differs by nature becomes whether it is there. Empty says nothing."""
    found: dict[str, str] = {}

    def walk(node: ElementTree.Element, path: str) -> None:
        text = (node.text or "").strip()
        if text and not len(node):
            found[path] = "present" if node.tag in VOLATILE else text
        for name, value in node.attrib.items():
            if name not in {"ServiceEndpoint", "ContainerName"}:
                found[f"{path}@{name}"] = value
        seen: Counter[str] = Counter()
        for child in node:
            seen[child.tag] += 1
            many = sum(other.tag == child.tag for other in node) > 1
            walk(child, f"{path}/{child.tag}" + (f"[{seen[child.tag]}]" if many else ""))

    walk(root, root.tag)
    return found


def block_list(*entries: str) -> bytes:
    """`Latest:MDE=` … as Put Block List wants it."""
    inner = "".join("<{0}>{1}</{0}>".format(*entry.split(":", 1)) for entry in entries)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{inner}</BlockList>'.encode()
