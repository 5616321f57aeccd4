"""JSON Web Tokens and the emulator's own authority: issues access tokens, verifies them and clients' assertions.

Signatures are RS256 and PS256 by `cryptography`. Keys are made on first use and never leave the process. Knows no HTTP.
"""

import json
import threading
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .failures import ServiceFailure

LIFETIME = 3600  # seconds an access token is good for
TENANT = "6d6f756e-7464-4e00-8000-74656e616e74"
AUDIENCES = ("https://storage.azure.com", "https://storage.azure.com/")


class BadToken(ValueError):
    """Not a token, not signed by whom it should be, or not valid now."""


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unpack(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise BadToken("It is not Base64.") from error


def sign(key: rsa.RSAPrivateKey, claims: dict[str, Any], identifier: str) -> str:
    head = {"alg": "RS256", "typ": "JWT", "kid": identifier}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def claims(token: str, key: rsa.RSAPublicKey, now: float) -> dict[str, Any]:
    """The claims of a token signed with `key` and valid now; BadToken otherwise."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BadToken("It is not a JSON Web Token.")
    try:
        head, found = json.loads(unpack(parts[0])), json.loads(unpack(parts[1]))
    except ValueError as error:
        raise BadToken("It is not JSON.") from error
    pads = {
        "RS256": padding.PKCS1v15(),
        "PS256": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO),
    }
    pad = pads.get(head.get("alg", ""))
    if pad is None or not isinstance(found, dict):
        raise BadToken("Its algorithm is not supported.")
    try:
        key.verify(unpack(parts[2]), f"{parts[0]}.{parts[1]}".encode(), pad, hashes.SHA256())
    except InvalidSignature as error:
        raise BadToken("Signature validation failed.") from error
    if now >= float(found.get("exp", 0)):
        raise BadToken("Lifetime validation failed. The token is expired.")
    if now + 300 < float(found.get("nbf", 0)):
        raise BadToken("Lifetime validation failed. The token is not yet valid.")
    return found


class Authority:
    """Signs and knows its own tokens. State: its two keys, made when first needed."""

    def __init__(self, tenant: str = TENANT, lifetime: int = LIFETIME) -> None:
        self.tenant = tenant
        self.lifetime = lifetime
        self.generation = 0  # raising it makes every token issued before invalid
        self.url = ""
        self.identifier = uuid.uuid4().hex
        self._lock = threading.Lock()

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        with self._lock:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def federated_key(self) -> rsa.RSAPrivateKey:
        """The key of the outside issuer (a cluster) whose tokens federation trusts."""
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def issue(self, subject: str, permissions: str, audience: str, now: float) -> str:
        return sign(
            self.key,
            {
                "aud": audience,
                "iss": f"{self.url}/{self.tenant}/v2.0",
                "iat": int(now),
                "nbf": int(now),
                "exp": int(now) + self.lifetime,
                "oid": subject,
                "sub": subject,
                "tid": self.tenant,
                "emulator_permissions": permissions,
                "emulator_generation": self.generation,
            },
            self.identifier,
        )

    def verified(self, token: str, now: float) -> dict[str, Any]:
        """An access token's claims; the service's failure where it is not good."""
        try:
            found = claims(token, self.key.public_key(), now)
        except BadToken as error:
            raise self._refused(str(error)) from error
        if found.get("aud") not in AUDIENCES:
            raise self._refused("Audience validation failed. Audience did not match.")
        if found.get("emulator_generation") != self.generation:
            raise self._refused("The token was revoked.")
        return found

    def bearer(self, token: str, now: float) -> tuple[str, str]:
        found = self.verified(token, now)
        return str(found["oid"]), str(found["emulator_permissions"])

    def challenge(self) -> str:
        return (
            f"Bearer authorization_uri={self.url}/{self.tenant}/oauth2/authorize resource_id=https://storage.azure.com"
        )

    def _refused(self, why: str) -> ServiceFailure:
        return ServiceFailure("InvalidAuthenticationInfo", detail=why, extra={"WWW-Authenticate": self.challenge()})

    def revoke(self) -> None:
        """Makes every token issued so far invalid."""
        self.generation += 1

    def public_key(self) -> dict[str, str]:
        """The signing key as OpenID's key set writes it."""
        numbers = self.key.public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        exponent = numbers.e.to_bytes(3, "big")
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.identifier,
            "n": encoded(modulus),
            "e": encoded(exponent),
        }
