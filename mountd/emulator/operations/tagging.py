"""Set and Get Blob Tags, and finding blobs by them, in a container or the whole account."""

from ..call import Call
from ..checksums import verify_body
from ..conditions import check, check_lease
from ..failures import ServiceFailure
from ..messages import Response
from ..state import Blob, Container
from ..tags import Clause, clause_holds, clauses, document, from_document
from ..xml import DECLARATION, element, escape, name_element
from .containers import XML, page_limit


def set_tags(call: Call) -> Response:
    """Tags are no part of the version: the ETag stays."""
    blob = call.blob()
    _checked(call, blob, writing=True)
    verify_body(call.request)
    blob.tags = from_document(call.request.body)
    return Response(204)


def get_tags(call: Call) -> Response:
    blob = call.blob()
    _checked(call, blob, writing=False)
    return Response(200, dict(XML), (f"{DECLARATION}{document(blob.tags)}".encode(),))


def _checked(call: Call, blob: Blob, *, writing: bool) -> None:
    tags = call.header("x-ms-if-tags")
    check({"x-ms-if-tags": tags} if tags else {}, blob, reading=False)
    if "x-ms-lease-id" in call.request.headers or writing:
        check_lease(call.request.headers, blob, call.now, writing=writing)


def find_in_account(call: Call) -> Response:
    return _find(call, [container for _, container in sorted(call.account.containers.items())])


def find_in_container(call: Call) -> Response:
    return _find(call, [call.container()])


def _find(call: Call, containers: list[Container]) -> Response:
    where = call.parameter("where")
    if not where:
        raise ServiceFailure("InvalidQueryParameterValue")
    try:
        wanted = clauses(where)
    except ServiceFailure as error:
        raise ServiceFailure("InvalidQueryParameterValue") from error
    marker = tuple(call.parameter("marker").split("/", 1)) if call.parameter("marker") else ("", "")
    found = [
        (container.name, blob)
        for container in containers
        if _in_container(wanted, container.name)
        for key in container.keys()  # noqa: SIM118  not a dict: the keys in order
        if (container.name, key) >= marker and _holds(wanted, blob := container.blobs[key])
    ]
    limit = page_limit(call)
    shown, more = found[:limit], found[limit:]
    entries = "".join(
        f"<Blob>{name_element(blob.key)}{element('ContainerName', name)}{document(blob.tags)}</Blob>"
        for name, blob in shown
    )
    following = f"{more[0][0]}/{more[0][1].key}" if more else ""
    body = (
        f'{DECLARATION}<EnumerationResults ServiceEndpoint="{escape(call.url)}/">{element("Where", where)}'
        f"<Blobs>{entries}</Blobs>{element('NextMarker', following)}</EnumerationResults>"
    )
    return Response(200, dict(XML), (body.encode(),))


def _in_container(wanted: list[Clause], name: str) -> bool:
    return all(clause_holds(clause, {"@container": name}) for clause in wanted if clause[0] == "@container")


def _holds(wanted: list[Clause], blob: Blob) -> bool:
    return all(clause_holds(clause, blob.tags) for clause in wanted if clause[0] != "@container")
