"""Datastores as programs know them, by the names of azureml.core: Datastore, AzureBlobDatastore.

Registering is the daemon's work, and its errors come back as mountd.errors. Where the original misleads, mountd does what
the caller meant: a key and a SAS together are refused, and a name's capitals are lowered with a warning.
"""

import json
import warnings
from typing import TYPE_CHECKING, Any, cast

from mountd import api
from mountd.errors import InvalidDefinition, UnknownDatastore, Unsupported

if TYPE_CHECKING:
    from mountd.sdk.workspace import Workspace

DEFAULT_SUFFIX = "core.windows.net"
TYPES = {"blob": "AzureBlob", "local": "Local", "memory": "Memory"}


class AbstractDatastore:
    """A registered datastore."""

    def __init__(self, workspace: "Workspace", name: str, datastore_type: str) -> None:
        self.workspace = workspace
        self.name = name
        self.datastore_type = datastore_type

    def set_as_default(self) -> None:
        self.workspace.client.set_default(self.name)

    def unregister(self) -> None:
        """Forgets the datastore. The storage is never touched."""
        self.workspace.client.unregister(self.name)

    def _as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "datastore_type": self.datastore_type}

    def __str__(self) -> str:
        return json.dumps(self._as_dict(), indent=2)

    __repr__ = __str__


class AzureBlobDatastore(AbstractDatastore):
    """A blob container. `credential_type` is AccountKey, Sas, None (identity), or Anonymous."""

    def __init__(
        self,
        workspace: "Workspace",
        name: str,
        container_name: str,
        account_name: str,
        protocol: str = "https",
        endpoint: str = DEFAULT_SUFFIX,
        credential_type: str = "None",
    ) -> None:
        super().__init__(workspace, name, TYPES["blob"])
        self.container_name = container_name
        self.account_name = account_name
        self.protocol = protocol
        self.endpoint = endpoint
        self.credential_type = credential_type

    @property
    def account_key(self) -> str | None:
        """Asked of the daemon each time; it answers its own user and root only."""
        return self.workspace.client.access(self.name).credential.account_key or None

    @property
    def sas_token(self) -> str | None:
        """Asked of the daemon each time; it answers its own user and root only."""
        return self.workspace.client.access(self.name).credential.sas_token or None

    def _as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "container_name": self.container_name,
            "account_name": self.account_name,
            "protocol": self.protocol,
            "endpoint": self.endpoint,
        }


class Datastore:
    """Gets and registers datastores. `Datastore(workspace)` is the default one, `Datastore(workspace, name)` a named one: both
    give the typed object."""

    def __new__(cls, workspace: "Workspace", name: str | None = None) -> "Datastore":
        found = cls.get_default(workspace) if name is None else cls.get(workspace, name)
        return cast(Datastore, found)

    @staticmethod
    def get(workspace: "Workspace", datastore_name: str) -> AbstractDatastore:
        """UnknownDatastore if there is none."""
        return typed(workspace, workspace.client.datastore(datastore_name))

    @staticmethod
    def get_default(workspace: "Workspace") -> AbstractDatastore:
        name = workspace.client.default()
        if not name:
            raise UnknownDatastore(
                "The workspace has no default datastore.", remedy="Set one: workspace.set_default_datastore(name)."
            )
        return Datastore.get(workspace, name)

    @staticmethod
    def register_azure_blob_container(
        workspace: "Workspace",
        datastore_name: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        blob_cache_timeout: int | None = None,
        grant_workspace_access: bool = False,
        subscription_id: str | None = None,
        resource_group: str | None = None,
    ) -> AzureBlobDatastore:
        """Registers a blob container and gives it. Neither key nor SAS: this node's identity is used.

        `endpoint` is the host's suffix, or a whole URL (emulators, private endpoints); http needs protocol="http".
        `blob_cache_timeout`, seconds: how long its folder believes what the storage showed, as a mapping of its own.
        `subscription_id` and `resource_group` only matter to a grant, which mountd refuses: it manages no identities.
        """
        if grant_workspace_access:
            raise Unsupported(
                f"grant_workspace_access of {datastore_name!r}: mountd cannot grant an identity access to a storage.",
                remedy="Assign Storage Blob Data Reader to this node's identity in Azure, and leave the argument out.",
            )
        client = workspace.client
        words = api.RegisterDatastore(
            name=datastore_name,
            account=account_name,
            container=container_name,
            credential=_credential(sas_token, account_key),
            allow_http=protocol == "http",
            overwrite=overwrite,
            create_if_not_exists=create_if_not_exists,
            skip_validation=skip_validation,
            **_address(account_name, protocol, endpoint),
        )
        registered = client.register(words)
        for warning in registered.warnings:
            warnings.warn(warning, stacklevel=2)
        if blob_cache_timeout is not None:
            _set_timeout(workspace, registered, float(blob_cache_timeout))
        return cast(AzureBlobDatastore, typed(workspace, registered))


def typed(workspace: "Workspace", words: api.Datastore) -> AbstractDatastore:
    """The object for a datastore as the daemon describes it."""
    if words.kind != "blob":
        return AbstractDatastore(workspace, words.name, TYPES.get(words.kind, words.kind))
    return AzureBlobDatastore(
        workspace,
        words.name,
        words.container,
        words.account,
        protocol=words.endpoint.partition("://")[0] or "https",
        endpoint=words.endpoint or words.endpoint_suffix,
        credential_type={"account_key": "AccountKey", "sas": "Sas", "anonymous": "Anonymous"}.get(
            words.credential, "None"
        ),
    )


def _credential(sas_token: str | None, account_key: str | None) -> api.CredentialWords:
    if not sas_token and not account_key:
        return api.CredentialWords(method="default_chain")
    return api.CredentialWords(sas_token=sas_token or "", account_key=account_key or "")


def _address(account: str, protocol: str | None, endpoint: str | None) -> dict[str, Any]:
    if protocol not in (None, "http", "https"):
        raise InvalidDefinition(f"protocol {protocol!r} is neither http nor https.", remedy="Leave it out for https.")
    if endpoint and "://" in endpoint:
        return {"endpoint": endpoint}
    if protocol == "http":
        return {"endpoint": f"http://{account}.blob.{endpoint or DEFAULT_SUFFIX}"}
    return {"endpoint_suffix": endpoint or DEFAULT_SUFFIX}


def _set_timeout(workspace: "Workspace", words: api.Datastore, seconds: float) -> None:
    """A mapping at the datastore's own folder takes the automatic one's place; an older one is replaced."""
    path = f"/{words.name}"
    if any(mapping.path == path and not mapping.automatic for mapping in workspace.client.mappings()):
        workspace.client.remove_mapping(path)
    workspace.client.add_mapping(api.AddMapping(path=path, datastore=words.name, ttl=seconds))
