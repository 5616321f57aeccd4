"""Between the API's words and the daemon's definitions, both ways. Pure: it asks nobody.

Which names and endpoints are allowed is registry.validation's; here is only what the words themselves say wrongly, such
as two credentials at once. A secret goes in as text and is a definitions.Secret from then on.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from mountd import api
from mountd.definitions import (
    AccountKey,
    Anonymous,
    AzureCli,
    ClientCertificate,
    ClientSecret,
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    DefaultChain,
    Freshness,
    ManagedIdentity,
    MappingDefinition,
    MappingOptions,
    Origin,
    SasToken,
    WorkloadIdentity,
)
from mountd.errors import InvalidDefinition
from mountd.registry.arguments import with_credential
from mountd.registry.credentials import mode_of
from mountd.rules.mount_table import key_prefix, tree_path

DEFAULT_SUFFIX = "core.windows.net"


def definition_of(words: api.RegisterDatastore) -> DatastoreDefinition:
    """InvalidDefinition names every argument that is wrong by itself; what names and addresses may be the registry checks."""
    kinds = [kind.value for kind in DatastoreKind]
    if words.kind not in kinds:
        raise InvalidDefinition(f"kind {words.kind!r} is unknown.", remedy=f"Use one of {', '.join(kinds)}.")
    definition = DatastoreDefinition(
        name=words.name,
        kind=DatastoreKind(words.kind),
        account=words.account,
        container=words.container,
        endpoint_suffix=words.endpoint_suffix or DEFAULT_SUFFIX,
        endpoint=words.endpoint.rstrip("/"),
        allow_http=words.allow_http,
        folder=words.folder,
        origin=Origin.SOCKET,
        note=words.note,
    )
    return with_credential(definition, asdict(words.credential))


# Outwards --------------------------------------------------------------------------------------------------------


def words_of(definition: DatastoreDefinition) -> api.RegisterDatastore:
    """Everything, its secret in clear: for the one answer that may hold it."""
    return api.RegisterDatastore(
        name=definition.name,
        kind=definition.kind.value,
        account=definition.account,
        container=definition.container,
        endpoint_suffix=definition.endpoint_suffix,
        endpoint=definition.endpoint,
        allow_http=definition.allow_http,
        folder=definition.folder,
        credential=credential_words(definition.credential),
        note=definition.note,
    )


def credential_words(credential: Credential) -> api.CredentialWords:
    """With the secret in clear."""
    method = mode_of(credential)
    match credential:
        case AccountKey(key):
            return api.CredentialWords(method=method, account_key=key.reveal())
        case SasToken(token):
            return api.CredentialWords(method=method, sas_token=token.reveal())
        case ManagedIdentity(client_id):
            return api.CredentialWords(method=method, client_id=client_id)
        case ClientSecret(tenant, client, secret, authority):
            return api.CredentialWords(
                method=method,
                tenant_id=tenant,
                client_id=client,
                client_secret=secret.reveal(),
                authority_url=authority,
            )
        case ClientCertificate(tenant, client, certificate, password, authority):
            return api.CredentialWords(
                method=method,
                tenant_id=tenant,
                client_id=client,
                certificate=certificate.reveal(),
                certificate_password=password.reveal() if password else "",
                authority_url=authority,
            )
        case WorkloadIdentity(tenant, client, token_file, authority):
            return api.CredentialWords(
                method=method, tenant_id=tenant, client_id=client, token_file=token_file, authority_url=authority
            )
        case AzureCli(tenant):
            return api.CredentialWords(method=method, tenant_id=tenant)
        case Anonymous() | DefaultChain():
            return api.CredentialWords(method=method)


# Mappings --------------------------------------------------------------------------------------------------------


def mapping_of(
    words: api.AddMapping, defaults: MappingOptions, presets: Mapping[str, MappingOptions]
) -> MappingDefinition:
    """InvalidDefinition names the argument. A preset is a set of options by name; what is given beside it stands."""
    options = defaults
    if words.preset:
        if words.preset not in presets:
            known = ", ".join(sorted(presets)) or "none is configured"
            raise InvalidDefinition(f"preset {words.preset!r} is unknown.", remedy=f"Known presets: {known}.")
        options = replace(presets[words.preset], preset=words.preset)
    if words.ttl is not None and not 0 <= words.ttl < float("inf"):
        raise InvalidDefinition("ttl is not a number of seconds.", remedy="Give 0 or more.")
    if words.cache_share is not None and not 0 < words.cache_share <= 1:
        raise InvalidDefinition("cache_share is not a share.", remedy="Give more than 0 and at most 1.")
    changes: dict[str, Any] = {
        name: value
        for name in ("read_only", "uid", "gid", "ttl", "prefetch", "cache_share")
        if (value := getattr(words, name)) is not None
    }
    for name in ("file_mode", "dir_mode", "umask"):
        if (text := getattr(words, name)) is not None:
            changes[name] = _mode(name, text)
    if words.freshness is not None:
        changes["freshness"] = _freshness(words.freshness)
    return MappingDefinition(
        path=tree_path(words.path),
        datastore=words.datastore.lower(),
        prefix=key_prefix(words.prefix),
        options=replace(options, **changes),
        origin=Origin.SOCKET,
    )


def mapped_path(mapping: MappingDefinition) -> api.MappedPath:
    options = mapping.options
    return api.MappedPath(
        path=mapping.path,
        datastore=mapping.datastore,
        prefix=mapping.prefix,
        origin=mapping.origin.value,
        automatic=mapping.origin is Origin.BUILT_IN,
        read_only=options.read_only,
        uid=options.uid,
        gid=options.gid,
        file_mode=f"{options.file_mode:04o}",
        dir_mode=f"{options.dir_mode:04o}",
        umask=f"{options.umask:04o}",
        freshness=options.freshness.value,
        ttl=options.ttl,
        prefetch=options.prefetch,
        cache_share=options.cache_share,
        preset=options.preset,
    )


def _mode(argument: str, text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise InvalidDefinition(f"{argument} {text!r} is not an octal mode.", remedy='Write it like "0644".')
    return mode


def _freshness(text: str) -> Freshness:
    try:
        return Freshness(text)
    except ValueError:
        words = ", ".join(freshness.value for freshness in Freshness)
        raise InvalidDefinition(f"freshness {text!r} is unknown.", remedy=f"Use one of {words}.") from None
