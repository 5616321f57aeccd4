"""Get User Delegation Key: a key derived from a bearer token's principal, with which a SAS can be signed."""

from ..call import Call
from ..failures import ServiceFailure
from ..messages import Response
from ..sas import delegation_key
from ..tokens import TENANT
from ..xml import DECLARATION, Malformed, elements, parse
from .containers import XML

WEEK = 7 * 24 * 3600


def get_user_delegation_key(call: Call) -> Response:
    if not call.header("authorization").startswith("Bearer "):
        raise ServiceFailure("AuthenticationFailed", detail="Only authentication scheme Bearer is supported")
    try:
        root = parse(call.request.body)
    except Malformed as error:
        raise ServiceFailure("InvalidXmlDocument") from error
    start, expiry = root.findtext("Start") or "", root.findtext("Expiry") or ""
    if not expiry:
        raise ServiceFailure("InvalidXmlDocument")
    named = {"skoid": call.principal, "sktid": TENANT, "skt": start, "ske": expiry, "sks": "b", "skv": call.version}
    words = {
        "SignedOid": named["skoid"],
        "SignedTid": named["sktid"],
        "SignedStart": start,
        "SignedExpiry": expiry,
        "SignedService": "b",
        "SignedVersion": call.version,
        "Value": delegation_key(call.account, named),
    }
    body = f"{DECLARATION}<UserDelegationKey>{elements(words)}</UserDelegationKey>".encode()
    return Response(200, dict(XML), (body,))
