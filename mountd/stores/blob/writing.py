"""Changes of a container's blobs: whole ones, blocks, metadata, copies and leases, each one REST request.

Every mutation carries its precondition, and what it stores is named whole: the service forgets a property that a write does
not repeat. Nothing is tried twice here, as a lost answer must be looked up before it is called a failure (SEMANTICS 20).
"""

import base64
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import trio
from lxml import etree

from mountd.errors import AlreadyExists, Corrupt, LeaseConflict, NotFound, Unavailable
from mountd.stores.blob.headers import condition_headers, etag_of, metadata_headers, modified, property_headers
from mountd.stores.blob.rest import Answer, Request, RestClient
from mountd.stores.blob.threads import ThreadPool
from mountd.stores.crc64 import crc64_header
from mountd.stores.interface import NO_PROPERTIES, UNCONDITIONAL, BlockId, Condition, Properties
from mountd.types import Buffer, Version

COPY_POLL_SECONDS = (0.05, 0.2, 0.5, 1.0)  # a copy within an account is nearly always done when it is answered


class BlobChanges:
    """Writer, Blocks and Leases of one container."""

    def __init__(self, rest: RestClient, threads: ThreadPool, *, checksums: bool) -> None:
        self._rest = rest
        self._threads = threads
        self._checksums = checksums

    async def _send(self, request: Request) -> Answer:
        return await self._threads.run(lambda: self._rest.send(request))

    async def create_container(self) -> None:
        """Makes the container if there is none. One that is being deleted is NoContainer."""
        try:
            await self._send(Request("PUT", query={"restype": "container"}))
        except AlreadyExists:
            return

    # Writer --------------------------------------------------------------------------------------------------

    async def put(
        self, key: str, data: Buffer, *, condition: Condition = UNCONDITIONAL, properties: Properties = NO_PROPERTIES
    ) -> Version:
        headers = {
            "x-ms-blob-type": "BlockBlob",
            **property_headers(properties),
            **condition_headers(condition),
            **self._checksum(data),
        }
        answer = await self._send(Request("PUT", key, headers=headers, body=data))
        return _version(key, len(data), answer)

    async def delete(self, key: str, *, condition: Condition = UNCONDITIONAL) -> None:
        """Immutable when the blob has snapshots: they are never deleted silently."""
        await self._send(Request("DELETE", key, headers=condition_headers(condition)))

    async def copy(self, source: Version, key: str, *, condition: Condition = UNCONDITIONAL) -> Version:
        """Within the container, with all that the source has beside its bytes."""
        headers = {
            "x-ms-copy-source": self._rest.source_url(source.key),
            "x-ms-source-if-match": f'"{source.etag}"',
            **condition_headers(condition),
        }
        answer = await self._send(Request("PUT", key, headers=headers))
        if answer.headers.get("x-ms-copy-status", "success") != "success":
            answer = await self._copied(key, answer.headers.get("x-ms-copy-id", ""))
        return _version(key, source.size, answer)

    async def _copied(self, key: str, copy_id: str) -> Answer:
        """Waits for the service's own work; it tells of its end only when it is asked."""
        attempt = 0
        while True:
            await trio.sleep(COPY_POLL_SECONDS[min(attempt, len(COPY_POLL_SECONDS) - 1)])
            attempt += 1
            answer = await self._send(Request("HEAD", key))
            status = answer.headers.get("x-ms-copy-status", "")
            if answer.headers.get("x-ms-copy-id", "") != copy_id:
                raise NotFound(f"{key!r} was replaced while it was being copied to.")
            if status == "success":
                return answer
            if status != "pending":
                raise Unavailable(f"The service gave up copying to {key!r} ({status}).")

    async def set_metadata(self, version: Version, metadata: Mapping[str, str]) -> Version:
        """Replaces all of it; the other properties stay."""
        headers = {**metadata_headers(metadata), **condition_headers(Condition(if_match=version.etag))}
        answer = await self._send(Request("PUT", version.key, query={"comp": "metadata"}, headers=headers))
        return _version(version.key, version.size, answer)

    # Blocks --------------------------------------------------------------------------------------------------

    async def stage_block(self, key: str, block_id: str, data: Buffer) -> None:
        query = {"comp": "block", "blockid": block_id}
        await self._send(Request("PUT", key, query=query, headers=self._checksum(data), body=data))

    async def commit_blocks(
        self,
        key: str,
        block_ids: Sequence[BlockId],
        *,
        condition: Condition = UNCONDITIONAL,
        properties: Properties = NO_PROPERTIES,
    ) -> Version:
        headers = {**property_headers(properties), **condition_headers(condition), "Content-Type": "application/xml"}
        body = _block_list(block_ids)
        answer = await self._send(Request("PUT", key, query={"comp": "blocklist"}, headers=headers, body=body))
        return _version(key, sum(block.size for block in block_ids), answer)

    async def block_list(self, key: str) -> Sequence[BlockId]:
        query = {"comp": "blocklist", "blocklisttype": "all"}
        answer = await self._send(Request("GET", key, query=query))
        try:
            root = etree.fromstring(answer.body, etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError as error:
            raise Corrupt(f"The block list of {key!r} cannot be read.") from error
        return [
            BlockId(block.findtext("Name", ""), int(block.findtext("Size", "0")), committed)
            for kind, committed in (("CommittedBlocks", True), ("UncommittedBlocks", False))
            for block in root.iterfind(f"{kind}/Block")
        ]

    # Leases --------------------------------------------------------------------------------------------------

    async def acquire_lease(self, key: str, seconds: int) -> str:
        headers = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": str(seconds)}
        answer = await self._send(Request("PUT", key, query={"comp": "lease"}, headers=headers))
        lease = answer.headers.get("x-ms-lease-id", "")
        if not lease:
            raise LeaseConflict(f"The service gave no lease of {key!r}.")
        return lease

    async def renew_lease(self, key: str, lease_id: str) -> None:
        await self._lease(key, lease_id, "renew")

    async def release_lease(self, key: str, lease_id: str) -> None:
        await self._lease(key, lease_id, "release")

    async def _lease(self, key: str, lease_id: str, action: str) -> None:
        headers = {"x-ms-lease-action": action, "x-ms-lease-id": lease_id}
        await self._send(Request("PUT", key, query={"comp": "lease"}, headers=headers))

    def _checksum(self, data: Buffer) -> dict[str, str]:
        return {"x-ms-content-crc64": crc64_header(data)} if self._checksums else {}


def block_id(prefix: bytes, number: int) -> str:
    """SEMANTICS 17: one fixed length (24 characters), the writer's random 10 bytes and a counter."""
    return base64.b64encode(prefix + number.to_bytes(8, "big")).decode()


def _block_list(blocks: Sequence[BlockId]) -> bytes:
    """Committed or Uncommitted, never Latest: a block is the one that is meant or the commit fails."""
    rows = "".join(
        f"<{kind}>{escape(block.id)}</{kind}>"
        for block in blocks
        for kind in ("Committed" if block.committed else "Uncommitted",)
    )
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()


def _version(key: str, size: int, answer: Answer) -> Version:
    return Version(key, etag_of(key, answer.headers), size, modified(key, answer.headers))
