"""The token endpoints: instance metadata, App Service, OAuth client credentials and federation, OpenID discovery.

Owns the principals that may ask for tokens. What it answers is what azure-identity and MSAL ask of the real ones, failures
included. A request it does not know is none of its business.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import load_pem_x509_certificate

from .messages import Request, Response
from .tls import client_certificate
from .tokens import AUDIENCES, Authority, BadToken, claims, sign

EVERYTHING = "racwdxltmeopfi"  # SAS letters of a principal that may do all
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MANAGED_CLIENT = "6d616e61-6765-4d00-8000-6964656e7469"
_TENANT_PATH = re.compile(r"/([^/]+)(/.*)\Z")


@dataclass
class Principal:
    """An application that may ask for tokens, by what it can prove."""

    client: str
    permissions: str = EVERYTHING
    secret: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)  # PEM with its private key
    subject: str = ""  # of a federated token
    enabled: bool = True


class Refusal(Exception):
    """An OAuth error answer."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(error)
        self.status, self.error, self.description = status, error, description


class Identity:
    """The door at which tokens are asked for."""

    def __init__(self, authority: Authority, clock: Callable[[], float]) -> None:
        self.authority = authority
        self._clock = clock
        self.principals: dict[str, Principal] = {MANAGED_CLIENT: Principal(MANAGED_CLIENT)}
        self.managed = MANAGED_CLIENT
        self.header = "emulator-identity-header"  # App Service's shared word

    # Who may ask --------------------------------------------------------------------------------------------------

    def application(
        self,
        client: str,
        *,
        secret: str = "",
        certificate: bool = False,
        subject: str = "",
        permissions: str = EVERYTHING,
    ) -> Principal:
        """Registers an application; with `certificate` one is made, and found in the answer as PEM."""
        pem = client_certificate(client) if certificate else ""
        principal = self.principals[client] = Principal(client, permissions, secret, pem, subject)
        return principal

    def federated_token(self, subject: str) -> str:
        """What a cluster writes into a pod's token file."""
        now = int(self._clock())
        said = {
            "iss": "https://cluster.invalid",
            "sub": subject,
            "aud": "api://AzureADTokenExchange",
            "exp": now + 3600,
        }
        return sign(self.authority.federated_key, said, "federation")

    def az(self, directory: Path) -> Path:
        """Writes an `az` that is logged in here: it prints an access token. The directory goes in front of PATH."""
        token = self._access(self.principals[self.managed], AUDIENCES[0])["access_token"]
        expires = int(self._clock()) + self.authority.lifetime
        words = {"accessToken": token, "expires_on": expires, "tenant": self.authority.tenant, "tokenType": "Bearer"}
        words["expiresOn"] = datetime.fromtimestamp(expires).strftime("%Y-%m-%d %H:%M:%S.%f")
        program = directory / "az"
        program.touch(mode=0o700)
        program.write_text(f"#!/bin/sh\ncat <<'TOKEN'\n{json.dumps(words)}\nTOKEN\n")
        return program

    # What they are answered ----------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response | None:
        fixed = {
            "/metadata/identity/oauth2/token": self._instance_metadata,
            "/msi/token": self._app_service,
            "/common/discovery/instance": self._instance_discovery,
        }.get(request.path)
        try:
            if fixed is not None:
                return _json(200, fixed(request))
            found = _TENANT_PATH.match(request.path)
            if found is None:
                return None
            return self._tenant(request, found[1], found[2])
        except Refusal as refusal:
            words = {"error": refusal.error, "error_description": refusal.description, "error_codes": []}
            return _json(refusal.status, words)

    def _tenant(self, request: Request, tenant: str, path: str) -> Response | None:
        known = {
            "/v2.0/.well-known/openid-configuration": self._discovery,
            "/.well-known/openid-configuration": self._discovery,
            "/discovery/v2.0/keys": self._keys,
            "/oauth2/v2.0/token": self._token,
            "/oauth2/token": self._token,
        }.get(path)
        if known is None:
            return None
        if tenant not in {self.authority.tenant, "common", "organizations"}:
            raise Refusal(400, "invalid_tenant", f"AADSTS90002: Tenant '{tenant}' not found.")
        return _json(200, known(request))

    def _discovery(self, request: Request) -> dict[str, Any]:
        url = f"{_origin(request)}/{self.authority.tenant}"
        return {
            "token_endpoint": f"{url}/oauth2/v2.0/token",
            "authorization_endpoint": f"{url}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{url}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{url}/discovery/v2.0/keys",
            "issuer": f"{url}/v2.0",
            "tenant_region_scope": None,
            "cloud_instance_name": _origin(request).partition("://")[2],
        }

    def _keys(self, request: Request) -> dict[str, Any]:
        return {"keys": [self.authority.public_key()]}

    def _instance_discovery(self, request: Request) -> dict[str, Any]:
        host = _origin(request).partition("://")[2]
        return {
            "tenant_discovery_endpoint": f"{_origin(request)}/{self.authority.tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def _instance_metadata(self, request: Request) -> dict[str, Any]:
        if request.headers.get("metadata", "").lower() != "true":
            raise Refusal(400, "bad_request_102", "Required metadata header not specified")
        return self._managed_token(request, "expires_in")

    def _app_service(self, request: Request) -> dict[str, Any]:
        if request.headers.get("x-identity-header") != self.header:
            raise Refusal(401, "unauthorized", "X-IDENTITY-HEADER is missing or wrong")
        return self._managed_token(request, "")

    def _managed_token(self, request: Request, lifetime_name: str) -> dict[str, Any]:
        resource = request.query.get("resource", "")
        if not resource:
            raise Refusal(400, "invalid_resource", "AADSTS500011: No resource was named.")
        asked = request.query.get("client_id", self.managed)
        principal = self.principals.get(asked)
        if principal is None or not principal.enabled or not self.managed:
            raise Refusal(400, "invalid_request", "Identity not found")
        answer = self._access(principal, resource)
        answer |= {"resource": resource, "client_id": asked}
        answer |= {lifetime_name: str(self.authority.lifetime)} if lifetime_name else {}
        answer["expires_on"] = str(int(self._clock()) + self.authority.lifetime)
        return answer

    def _token(self, request: Request) -> dict[str, Any]:
        form = {name: values[0] for name, values in parse_qs(bytes(request.body).decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            raise Refusal(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        client = form.get("client_id", "")
        principal = self.principals.get(client)
        if principal is None or not principal.enabled:
            raise Refusal(
                400, "unauthorized_client", f"AADSTS700016: Application with identifier '{client}' was not found."
            )
        if "client_secret" in form:
            if not principal.secret or form["client_secret"] != principal.secret:
                raise Refusal(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        elif form.get("client_assertion_type") == ASSERTION:
            self._assertion(principal, form.get("client_assertion", ""), _origin(request))
        else:
            raise Refusal(401, "invalid_client", "AADSTS7000218: client_assertion or client_secret is required.")
        resource = form.get("scope", "").removesuffix(".default").rstrip("/") or form.get("resource", "")
        return self._access(principal, resource) | {
            "expires_in": self.authority.lifetime,
            "ext_expires_in": self.authority.lifetime,
        }

    def _assertion(self, principal: Principal, assertion: str, origin: str) -> None:
        """A certificate's own signature, or a federated issuer's token for the agreed subject."""
        now = self._clock()
        try:
            if principal.certificate:
                certificate = load_pem_x509_certificate(principal.certificate.encode())
                key = certificate.public_key()
                assert isinstance(key, rsa.RSAPublicKey)
                said = claims(assertion, key, now)
                right = said.get("sub") == principal.client and str(said.get("aud", "")).startswith(origin)
            else:
                said = claims(assertion, self.authority.federated_key.public_key(), now)
                right = bool(principal.subject) and said.get("sub") == principal.subject
        except BadToken as error:
            raise Refusal(401, "invalid_client", f"AADSTS700027: Client assertion failed: {error}") from error
        if not right:
            raise Refusal(401, "invalid_client", "AADSTS70021: No matching federated identity record found.")

    def _access(self, principal: Principal, resource: str) -> dict[str, Any]:
        token = self.authority.issue(object_id(principal.client), principal.permissions, resource, self._clock())
        return {"access_token": token, "token_type": "Bearer"}


def object_id(client: str) -> str:
    """A principal's object id: derived from its client id, and different."""
    found = hashlib.sha256(client.encode()).hexdigest()
    return f"{found[:8]}-{found[8:12]}-4{found[13:16]}-8{found[17:20]}-{found[20:32]}"


def _origin(request: Request) -> str:
    return f"{'https' if request.secure else 'http'}://{request.headers.get('host', '')}"


def _json(status: int, words: dict[str, Any]) -> Response:
    return Response(status, {"Content-Type": "application/json"}, (json.dumps(words).encode(),))
