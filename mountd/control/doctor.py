"""What is wrong with a datastore: does it answer, and which of its keys the tree cannot show under their own spelling.

Reads one flat listing of the storage, up to a number of keys, and keeps nothing of it but what it reports.
"""

from collections.abc import Iterator

from mountd import api
from mountd.control.failures import failure_of
from mountd.control.interface import OpenedStore
from mountd.errors import StoreError
from mountd.rules.names import decoded, spelled, spelled_blob
from mountd.types import ListPage, ObjectInfo

MOST_REPORTED = 1000
REASONS = {
    "": 'an empty segment ("//", or a leading slash)',
    ".": 'a "." segment',
    "..": 'a ".." segment',
}


async def diagnose(name: str, store: OpenedStore, most_keys: int, warnings: list[str]) -> api.Diagnosis:
    """Every awkward key among the first `most_keys`, at most MOST_REPORTED of them."""
    found: list[api.AwkwardKey] = []
    clashes = Clashes()
    seen = 0
    problem: api.Failure | None = None
    complete = True
    try:
        async for page in store.list("", recursive=True):
            for info in _objects(page):
                if seen >= most_keys:
                    complete = False
                    break
                seen += 1
                found.extend(_awkward(info))
                found.extend(clashes.passed(info))
            if not complete:
                break
    except StoreError as error:
        problem, complete = failure_of(error), False
    return api.Diagnosis(name, problem is None, problem, seen, complete, found[:MOST_REPORTED], warnings)


class Clashes:
    """Finds blobs that a folder of the same name hides, in one pass over keys in the store's order.

    State: `_open`, blobs whose name begins every key since; in that order a folder's keys come while its blob is there.
    """

    def __init__(self) -> None:
        self._open: list[str] = []
        self._reported: set[str] = set()

    def passed(self, info: ObjectInfo) -> Iterator[api.AwkwardKey]:
        key = info.version.key
        self._open = [blob for blob in self._open if key.startswith(blob)]
        for blob in self._open:
            if key.startswith(blob + "/") and blob not in self._reported:
                self._reported.add(blob)
                yield api.AwkwardKey(blob, path_of(blob, clash=True), "a blob and a folder of one name")
        if not _is_marker(info):
            self._open.append(key)


def path_of(key: str, *, clash: bool = False) -> str:
    """Below the datastore's own folder."""
    *folders, last = key.split("/")
    names = [spelled(folder) for folder in folders]
    names.append(spelled_blob(last) if clash or not last else spelled(last))
    return "/".join(decoded(name) for name in names)


def _objects(page: ListPage) -> Iterator[ObjectInfo]:
    return (page.info(row) for row in range(len(page.keys)))


def _awkward(info: ObjectInfo) -> Iterator[api.AwkwardKey]:
    key = info.version.key
    segments = key.split("/")
    if _is_marker(info) and not segments[-1]:
        segments.pop()
    for segment in segments:
        if spelled(segment) != segment.encode("utf-8", "surrogateescape"):
            yield api.AwkwardKey(key, path_of(key), REASONS.get(segment, _reason(segment)))
            return


def _reason(segment: str) -> str:
    if "\0" in segment:
        return "a NUL character"
    if len(segment.encode("utf-8", "surrogateescape")) > 255:
        return "a segment of more than 255 bytes"
    return 'a segment that begins with "~~"'


def _is_marker(info: ObjectInfo) -> bool:
    """A folder's marker (SEMANTICS 10) is no blob of its own."""
    if info.version.key.endswith("/"):
        return info.version.size == 0
    return info.traits.metadata.get("hdi_isfolder", "").lower() == "true"
