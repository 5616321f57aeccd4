"""The names of azureml.core, doing what the caller meant."""

import inspect
import json

import pytest

from mountd import errors
from mountd.sdk import AzureBlobDatastore, Datastore, Workspace
from tests.unit.control.served import KEY, SAS, running


@pytest.fixture
def workspace(tmp_path):
    with running(tmp_path) as served:
        yield Workspace(str(served.socket))


def register(workspace, name="photos", **more):
    return Datastore.register_azure_blob_container(workspace, name, "container1", "account1", **more)


def test_the_signature_is_the_originals():
    """reference/azureml-datastores.md, A.1"""
    assert list(inspect.signature(Datastore.register_azure_blob_container).parameters) == [
        "workspace",
        "datastore_name",
        "container_name",
        "account_name",
        "sas_token",
        "account_key",
        "protocol",
        "endpoint",
        "overwrite",
        "create_if_not_exists",
        "skip_validation",
        "blob_cache_timeout",
        "grant_workspace_access",
        "subscription_id",
        "resource_group",
    ]


def test_a_program_of_the_original_runs(workspace):
    registered = register(workspace, account_key=KEY)
    assert isinstance(registered, AzureBlobDatastore)
    found = Datastore.get(workspace, "photos")
    assert (found.container_name, found.account_name, found.endpoint) == ("container1", "account1", "core.windows.net")
    assert (found.datastore_type, found.credential_type, found.protocol) == ("AzureBlob", "AccountKey", "https")
    assert (found.account_key, found.sas_token) == (KEY, None)
    assert workspace.get_default_datastore().name == "workspaceblobstore"
    found.set_as_default()
    assert Datastore.get_default(workspace).name == Datastore(workspace).name == "photos"
    workspace.set_default_datastore("workspacefilestore")
    assert set(workspace.datastores) == {"photos", "workspaceblobstore", "workspacefilestore"}
    assert isinstance(Datastore(workspace, "photos"), AzureBlobDatastore)
    found.unregister()
    with pytest.raises(errors.UnknownDatastore):
        Datastore.get(workspace, "photos")


def test_str_is_json_without_secrets(workspace):
    text = str(register(workspace, account_key=KEY))
    assert json.loads(text) == {
        "name": "photos",
        "container_name": "container1",
        "account_name": "account1",
        "protocol": "https",
        "endpoint": "core.windows.net",
    }


def test_key_and_sas_together_are_refused_naming_both(workspace):
    with pytest.raises(errors.InvalidDefinition, match=r"account_key.*sas_token"):
        register(workspace, account_key=KEY, sas_token=SAS)


def test_neither_key_nor_sas_means_this_nodes_identity(workspace):
    assert register(workspace).credential_type == "None"
    assert workspace.client.datastore("photos").credential == "default_chain"


def test_capitals_are_lowered_with_a_warning(workspace):
    with pytest.warns(UserWarning, match="lowercase"):
        assert register(workspace, "Photos", account_key=KEY).name == "photos"


def test_an_emulators_endpoint_needs_http_by_name(workspace):
    url = "http://127.0.0.1:10000/account1"
    with pytest.raises(errors.InvalidDefinition, match="http"):
        register(workspace, account_key=KEY, endpoint=url)
    found = register(workspace, account_key=KEY, endpoint=url, protocol="http")
    assert (found.protocol, found.endpoint) == ("http", url)


def test_a_sovereign_clouds_suffix(workspace):
    assert register(workspace, account_key=KEY, endpoint="core.chinacloudapi.cn").endpoint == "core.chinacloudapi.cn"


def test_blob_cache_timeout_is_how_long_the_folder_believes(workspace):
    register(workspace, account_key=KEY, blob_cache_timeout=60)
    register(workspace, account_key=KEY, blob_cache_timeout=90, overwrite=True)
    (mapping,) = [each for each in workspace.client.mappings() if each.path == "/photos"]
    assert (mapping.ttl, mapping.automatic) == (90.0, False)
    Datastore.get(workspace, "photos").unregister()


def test_a_grant_is_refused_rather_than_ignored(workspace):
    with pytest.raises(errors.Unsupported, match="grant_workspace_access"):
        register(workspace, grant_workspace_access=True, subscription_id="s", resource_group="r")


def test_overwrite_and_existing(workspace):
    register(workspace, account_key=KEY)
    with pytest.raises(errors.DatastoreExists):
        register(workspace, account_key=KEY)
    register(workspace, sas_token=SAS, overwrite=True)
    assert Datastore.get(workspace, "photos").sas_token == SAS
