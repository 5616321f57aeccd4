"""Containers: create, delete, properties, metadata, access; and the account: list containers, properties, information."""

import re

from ..call import Call, lease_headers, metadata_headers, version_headers
from ..conditions import check, check_lease
from ..failures import ServiceFailure
from ..messages import Response
from ..state import Container, Policy
from ..xml import DECLARATION, Malformed, element, elements, escape, parse

XML = {"Content-Type": "application/xml"}
_NAME = re.compile(r"(?:[a-z0-9](?:-?[a-z0-9]){2,62}|\$root|\$web|\$logs)\Z")
POLICY_LIMIT = 5
PAGE_LIMIT = 5000


def create_container(call: Call) -> Response:
    name = call.address.container
    if not _NAME.match(name) or len(name) > 63:
        raise ServiceFailure("InvalidResourceName" if 3 <= len(name) <= 63 else "OutOfRangeInput")
    if name in call.account.containers:
        raise ServiceFailure("ContainerAlreadyExists")
    public = _public(call)
    metadata = call.metadata()
    container = call.account.create_container(name)
    container.metadata, container.public = metadata, public
    return Response(201, version_headers(container))


def _public(call: Call) -> str:
    public = call.header("x-ms-blob-public-access").lower()
    if public not in {"", "container", "blob"}:
        raise ServiceFailure("InvalidHeaderValue")
    return public


def _checked(call: Call, *, writing: bool) -> Container:
    container = call.container()
    check(call.request.headers, container, reading=not writing)
    if "x-ms-lease-id" in call.request.headers:
        check_lease(call.request.headers, container, call.now, writing=False)
    return container


def delete_container(call: Call) -> Response:
    container = _checked(call, writing=True)
    check_lease(call.request.headers, container, call.now, writing=True)
    del call.account.containers[container.name]
    return Response(202)


def get_container_properties(call: Call) -> Response:
    container = _checked(call, writing=False)
    headers = version_headers(container) | lease_headers(container, call.now) | metadata_headers(container.metadata)
    headers |= {"x-ms-has-immutability-policy": "false", "x-ms-has-legal-hold": "false"}
    headers |= {
        "x-ms-immutable-storage-with-versioning-enabled": "false",
        "x-ms-default-encryption-scope": "$account-encryption-key",
    }
    headers["x-ms-deny-encryption-scope-override"] = "false"
    if container.public:
        headers["x-ms-blob-public-access"] = container.public
    return Response(200, headers)


def get_container_metadata(call: Call) -> Response:
    container = _checked(call, writing=False)
    return Response(200, version_headers(container) | metadata_headers(container.metadata))


def set_container_metadata(call: Call) -> Response:
    container = _checked(call, writing=True)
    container.metadata = call.metadata()
    container.etag, container.modified = call.account.stamp()
    return Response(200, version_headers(container))


def get_container_acl(call: Call) -> Response:
    container = _checked(call, writing=False)
    headers = version_headers(container) | XML
    if container.public:
        headers["x-ms-blob-public-access"] = container.public
    inner = "".join(
        f"<SignedIdentifier><Id>{escape(name)}</Id><AccessPolicy>"
        + elements({"Start": policy.start, "Expiry": policy.expiry, "Permission": policy.permissions})
        + "</AccessPolicy></SignedIdentifier>"
        for name, policy in container.policies.items()
    )
    body = f"{DECLARATION}<SignedIdentifiers>{inner}</SignedIdentifiers>".encode()
    return Response(200, headers, (body,))


def set_container_acl(call: Call) -> Response:
    container = _checked(call, writing=True)
    public = _public(call)
    policies: dict[str, Policy] = {}
    if len(call.request.body):
        try:
            root = parse(call.request.body)
        except Malformed as error:
            raise ServiceFailure("InvalidXmlDocument") from error
        for found in root.iter("SignedIdentifier"):
            policies[found.findtext("Id") or ""] = Policy(
                found.findtext("AccessPolicy/Start") or "",
                found.findtext("AccessPolicy/Expiry") or "",
                found.findtext("AccessPolicy/Permission") or "",
            )
    if len(policies) > POLICY_LIMIT:
        raise ServiceFailure("InvalidXmlDocument")
    container.public, container.policies = public, policies
    container.etag, container.modified = call.account.stamp()
    return Response(200, version_headers(container))


def list_containers(call: Call) -> Response:
    prefix, marker = call.parameter("prefix"), call.parameter("marker")
    limit = page_limit(call)
    include = call.parameter("include").split(",")
    names = sorted(name for name in call.account.containers if name.startswith(prefix) and name >= marker)
    shown, more = names[:limit], names[limit:]
    entries = "".join(_listed(call, call.account.containers[name], "metadata" in include) for name in shown)
    echo = {"Prefix": prefix, "Marker": marker, "MaxResults": call.parameter("maxresults")}
    body = (
        f'{DECLARATION}<EnumerationResults ServiceEndpoint="{escape(call.url)}/">'
        + elements({tag: text for tag, text in echo.items() if text})
        + f"<Containers>{entries}</Containers>"
        + element("NextMarker", more[0] if more else "")
        + "</EnumerationResults>"
    )
    return Response(200, dict(XML), (body.encode(),))


def _listed(call: Call, container: Container, with_metadata: bool) -> str:
    said = version_headers(container)
    lease = lease_headers(container, call.now)
    properties = {
        "Last-Modified": said["Last-Modified"],
        "Etag": said["ETag"],
        "LeaseStatus": lease["x-ms-lease-status"],
        "LeaseState": lease["x-ms-lease-state"],
    }
    if "x-ms-lease-duration" in lease:
        properties["LeaseDuration"] = lease["x-ms-lease-duration"]
    if container.public:
        properties["PublicAccess"] = container.public
    properties |= {"HasImmutabilityPolicy": "false", "HasLegalHold": "false"}
    metadata = f"<Metadata>{elements(container.metadata)}</Metadata>" if with_metadata and container.metadata else ""
    return f"<Container>{element('Name', container.name)}<Properties>{elements(properties)}</Properties>{metadata}</Container>"


def page_limit(call: Call) -> int:
    """maxresults; more than 5,000 is 5,000, as in the service."""
    text = call.parameter("maxresults")
    if not text:
        return PAGE_LIMIT
    if not text.isascii() or not text.lstrip("-").isdigit():
        raise ServiceFailure("InvalidQueryParameterValue")
    if int(text) < 1:
        raise ServiceFailure("OutOfRangeQueryParameterValue")
    return min(int(text), PAGE_LIMIT)


def get_account_information(call: Call) -> Response:
    return Response(
        200, {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "false"}
    )


def get_service_properties(call: Call) -> Response:
    body = call.account.properties or (DECLARATION + DEFAULT_PROPERTIES).encode()
    return Response(200, dict(XML), (body,))


def set_service_properties(call: Call) -> Response:
    try:
        parse(call.request.body)
    except Malformed as error:
        raise ServiceFailure("InvalidXmlDocument") from error
    call.account.properties = bytes(call.request.body)
    return Response(202)


_OFF = "<Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
DEFAULT_PROPERTIES = (
    "<StorageServiceProperties><Logging><Version>1.0</Version><Read>false</Read><Write>false</Write><Delete>false</Delete>"
    "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging>"
    f"<HourMetrics>{_OFF}</HourMetrics><MinuteMetrics>{_OFF}</MinuteMetrics><Cors />"
    "<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>"
    "<StaticWebsite><Enabled>false</Enabled></StaticWebsite></StorageServiceProperties>"
)
