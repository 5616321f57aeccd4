"""Datastores and mappings over the API: checked, stored, opened, shown; and what is refused changes nothing."""

import pytest
import trio.testing

from mountd.definitions import (
    AccountKey,
    DatastoreDefinition,
    DatastoreKind,
    MappingDefinition,
    Origin,
    Secret,
)
from mountd.errors import AccessDenied, MissingExtra, Unavailable
from mountd.registry.registry import Declared
from mountd.stores.interface import HealthState, StoreHealth
from tests.unit.control.served import (
    BLOB,
    FROM_FILE,
    KEY,
    NOW,
    OTHER_KEY,
    SAS,
    Storages,
    house,
    open_file,
    paths,
    seconds_from_now,
)


def names(answer):
    return [row["name"] for row in answer.json]


async def test_a_registered_datastore_is_tried_stored_and_shown_under_its_name(tmp_path):
    async with house(tmp_path) as asked:
        answer = await asked.register("data")
        assert answer.status == 201
        assert (answer.json["paths"], answer.json["state"], answer.json["origin"]) == (["/data"], "ok", "socket")
        assert [definition.name for definition in asked.storages.probed] == ["data"]
        await asked.put("data", "a.txt", b"hello")
        assert (await asked.ask("GET", "/v1/path?path=/data/a.txt")).json["size"] == 5
    async with house(tmp_path) as again:
        assert "data" in names(await again.ask("GET", "/v1/datastores"))
        assert "/data" in paths(await again.ask("GET", "/v1/mappings"))


async def test_at_the_first_start_two_local_datastores_exist_and_say_so(tmp_path):
    async with house(tmp_path) as asked:
        rows = (await asked.ask("GET", "/v1/datastores")).json
        assert [(row["name"], row["default"], row["kind"]) for row in rows] == [
            ("workspaceblobstore", True, "local"),
            ("workspacefilestore", False, "local"),
        ]
        assert all("local folder" in row["note"] for row in rows)


async def test_a_storage_that_refuses_is_not_registered(tmp_path):
    async with house(tmp_path) as asked:
        asked.storages.refusal = AccessDenied("The key was refused.", request_id="r-1")
        answer = await asked.register("data", **BLOB)
        assert answer.status == 502
        assert answer.json["code"] == "denied"
        assert answer.json["request_id"] == "r-1"
        assert "rotate" in answer.json["remedy"]
        assert "data" not in names(await asked.ask("GET", "/v1/datastores"))
        assert (await asked.register("data", **BLOB, skip_validation=True)).status == 201


async def test_create_if_not_exists_makes_the_container_first(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data", create_if_not_exists=True)
        assert [definition.name for definition in asked.storages.created] == ["data"]


async def test_capitals_are_lowered_with_a_warning(tmp_path):
    async with house(tmp_path) as asked:
        answer = await asked.register("Data")
        assert answer.json["name"] == "data"
        assert "lowercase" in answer.json["warnings"][0]


@pytest.mark.parametrize(
    ("credential", "named"),
    [
        ({"account_key": KEY, "sas_token": SAS}, ("account_key", "sas_token")),
        ({"method": "azure_cli", "account_key": KEY}, ("azure_cli", "account_key")),
        ({"method": "magic"}, ("method", "magic")),
        ({"client_secret": "s", "tenant_id": "t"}, ("client_id",)),
    ],
)
async def test_a_credential_that_cannot_be_is_refused_naming_the_arguments(tmp_path, credential, named):
    async with house(tmp_path) as asked:
        answer = await asked.register("data", **BLOB | {"credential": credential})
        assert (answer.status, answer.json["code"]) == (422, "invalid_definition")
        assert all(word in answer.json["message"] for word in named)


async def test_a_connection_string_says_account_and_endpoint(tmp_path):
    text = f"DefaultEndpointsProtocol=https;AccountName=account1;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn"
    async with house(tmp_path) as asked:
        answer = await asked.register("data", kind="blob", container="photos", credential={"connection_string": text})
        assert answer.json["account"] == "account1"
        assert answer.json["endpoint_suffix"] == "core.chinacloudapi.cn"
        assert answer.json["credential"] == "account_key"


async def test_a_second_of_one_name_is_refused_unless_overwritten(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        again = await asked.register("data", container="other")
        assert (again.status, again.json["code"]) == (409, "datastore_exists")
        assert (await asked.register("data", container="other", overwrite=True)).json["container"] == "other"


async def test_overwriting_with_another_storage_is_refused_while_files_are_open(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a.txt", b"hello")
        await open_file(asked, b"data", b"a.txt")
        refused = await asked.register("data", container="other", overwrite=True)
        assert (refused.status, refused.json["code"]) == (409, "datastore_in_use")
        assert "/data/a.txt" in refused.json["message"]


async def test_rotating_keeps_the_store_and_its_open_files(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data", **BLOB)
        store = asked.storages.stores["data"]
        await store.put("a.txt", b"hello")
        handle = await open_file(asked, b"data", b"a.txt")
        answer = await asked.ask("PUT", "/v1/datastores/data/credential", {"sas_token": SAS})
        assert (answer.status, answer.json["credential"]) == (200, "sas")
        assert asked.storages.stores["data"] is store
        assert (store.rotations, store.closed) == (1, False)
        assert bytes(await asked.tree.read(handle, 0, 5)) == b"hello"
        asked.tree.release(handle)


async def test_a_refused_rotation_leaves_the_old_credential(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data", **BLOB)
        asked.storages.refusal = AccessDenied("The key was refused.")
        assert (await asked.ask("PUT", "/v1/datastores/data/credential", {"account_key": OTHER_KEY})).status == 502
        revealed = await asked.ask("GET", "/v1/datastores/data/credential")
        assert revealed.json["credential"]["account_key"] == KEY
        assert asked.storages.stores["data"].rotations == 0


async def test_a_sas_warns_before_it_ends(tmp_path):
    token = f"sv=2024-01-01&se={seconds_from_now(3600)}&sig=abc%3D"
    async with house(tmp_path) as asked:
        await asked.register("data", **BLOB | {"credential": {"sas_token": token}})
        (warning,) = (await asked.ask("GET", "/v1/datastores/data")).json["warnings"]
        assert "SAS ends at" in warning


async def test_unregistering_closes_and_hides_but_touches_no_storage(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        store = asked.storages.stores["data"]
        assert (await asked.ask("DELETE", "/v1/datastores/data")).status == 204
        assert store.closed
        assert "/data" not in paths(await asked.ask("GET", "/v1/mappings"))
        gone = await asked.ask("GET", "/v1/datastores/data")
        assert (gone.status, gone.json["code"]) == (404, "unknown_datastore")


async def test_a_datastore_in_use_is_unregistered_only_by_force(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data")
        await asked.put("data", "a.txt", b"hello")
        handle = await open_file(asked, b"data", b"a.txt")
        refused = await asked.ask("DELETE", "/v1/datastores/data")
        assert "/data/a.txt" in refused.json["message"]
        asked.tree.release(handle)
        await asked.ask("POST", "/v1/mappings", {"path": "/elsewhere", "datastore": "data"})
        refused = await asked.ask("DELETE", "/v1/datastores/data")
        assert (refused.json["code"], "/elsewhere" in refused.json["message"]) == ("datastore_in_use", True)
        await asked.ask("PUT", "/v1/default", {"name": "data"})
        assert (await asked.ask("DELETE", "/v1/datastores/data?force=true")).status == 204
        assert (await asked.ask("GET", "/v1/default")).json == {"name": ""}
        assert "/elsewhere" not in paths(await asked.ask("GET", "/v1/mappings"))


async def test_the_default_is_unregistered_only_by_force(tmp_path):
    async with house(tmp_path) as asked:
        refused = await asked.ask("DELETE", "/v1/datastores/workspaceblobstore")
        assert (refused.status, "default" in refused.json["message"]) == (409, True)


async def test_what_the_file_owns_is_shown_and_not_changed(tmp_path):
    declared = Declared((FROM_FILE,), (MappingDefinition("/mine", "fromfile", origin=Origin.FILE),), default="fromfile")
    async with house(tmp_path, declared=declared) as asked:
        row = (await asked.ask("GET", "/v1/datastores/fromfile")).json
        assert (row["origin"], row["default"], row["paths"]) == ("file", True, ["/fromfile", "/mine"])
        for method, path, body in (
            ("DELETE", "/v1/datastores/fromfile", None),
            ("DELETE", "/v1/datastores/fromfile?force=true", None),
            ("PUT", "/v1/datastores/fromfile/credential", {"method": "anonymous"}),
            ("DELETE", "/v1/mappings?path=/mine", None),
            ("PUT", "/v1/default", {"name": "workspaceblobstore"}),
        ):
            refused = await asked.ask(method, path, body)
            assert (refused.status, refused.json["code"]) == (403, "owned_by_file"), path
        assert (await asked.register("fromfile", overwrite=True)).json["code"] == "owned_by_file"


async def test_status_says_why_a_datastore_is_not_well(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data", **BLOB)
        asked.storages.stores["data"].condition = StoreHealth(
            HealthState.REFUSED,
            NOW,
            last_error="The key was refused.",
            last_error_code="denied",
            last_error_ns=NOW,
            request_id="r-9",
            in_flight=3,
            in_flight_limit=64,
        )
        status = (await asked.ask("GET", "/v1/status")).json
        (row,) = [row for row in status["datastores"] if row["name"] == "data"]
        assert row["state"] == "refused"
        assert row["last_error"]["message"] == "The key was refused."
        assert row["last_error"]["request_id"] == "r-9"
        assert "rotate" in row["last_error"]["remedy"]
        assert status["requests_in_flight"] == 3
        assert (row["in_flight"], row["in_flight_limit"]) == (3, 64)
        cache = status["cache"]
        assert cache["memory_bytes"] + cache["in_flight_bytes"] + cache["buffer_bytes"] <= cache["memory_limit"]
        assert status["resident_bytes"] > 10 << 20
        assert status["threads"] >= 1


async def test_a_datastore_that_cannot_be_opened_is_shown_and_disturbs_nobody(tmp_path):
    declared = Declared((DatastoreDefinition("lost", DatastoreKind.BLOB, "account1", "photos", origin=Origin.FILE),))
    storages = Storages(unopenable=MissingExtra("A library is not installed."))
    async with house(tmp_path, declared=declared, storages=storages) as asked:
        row = (await asked.ask("GET", "/v1/datastores/lost")).json
        assert (row["state"], row["last_error"]["code"], row["paths"]) == ("broken", "missing_extra", [])
        assert (await asked.ask("GET", "/v1/datastores/lost/diagnosis")).json["code"] == "missing_extra"


async def test_it_starts_whatever_the_network_is_and_says_who_is_unreachable(tmp_path, caplog):
    declared = Declared((FROM_FILE,))
    async with house(tmp_path, declared=declared) as asked:
        store = asked.storages.stores["fromfile"]

        def unreachable(prefix, **_):
            raise Unavailable("The host does not answer.", request_id="r-2")

        store.list = unreachable
        with asked.workspace.events.listen() as listener:
            asked.workspace.greet(asked.nursery)
            event = await anext(listener)
        assert (event.kind, event.subject) == ("datastore.unreachable", "fromfile")
        assert "does not answer" in caplog.text


async def test_a_registered_datastore_is_asked_so_that_its_state_is_known(tmp_path):
    async with house(tmp_path) as asked:
        greeted = []
        asked.workspace._greet = lambda name, store: record(greeted, name)
        asked.workspace.greet(asked.nursery)
        await asked.register("data", **BLOB)
        await asked.ask("PUT", "/v1/datastores/data/credential", {"account_key": OTHER_KEY})
        await asked.register("quiet", skip_validation=True)
        await trio.testing.wait_all_tasks_blocked()
        assert [name for name in greeted if name in ("data", "quiet")] == ["data", "data"]


async def record(names, name):
    names.append(name)


async def test_every_change_is_an_event(tmp_path):
    async with house(tmp_path) as asked:
        await asked.register("data", **BLOB)
        await asked.ask("PUT", "/v1/datastores/data/credential", {"account_key": OTHER_KEY})
        await asked.ask("PUT", "/v1/default", {"name": "data"})
        await asked.ask("POST", "/v1/mappings", {"path": "/x", "datastore": "data"})
        await asked.ask("DELETE", "/v1/mappings?path=/x")
        await asked.ask("DELETE", "/v1/datastores/data?force=true")
        answer = await asked.ask("GET", "/v1/events?recent=100&follow=false")
        kinds = [line.split(b'"kind": "')[1].split(b'"')[0].decode() for line in answer.body.splitlines()]
        assert kinds == [
            "datastore.registered",
            "datastore.rotated",
            "datastore.default",
            "mapping.added",
            "mapping.removed",
            "datastore.unregistered",
        ]


def test_the_secret_answer_holds_every_credential_whole():
    from mountd.control.words import definition_of, words_of
    from mountd.definitions import (
        Anonymous,
        AzureCli,
        ClientCertificate,
        ClientSecret,
        DefaultChain,
        ManagedIdentity,
        SasToken,
        WorkloadIdentity,
    )
    from mountd.registry.credentials import MODES

    credentials = (
        Anonymous(),
        AccountKey(Secret(KEY)),
        SasToken(Secret(SAS)),
        ManagedIdentity("client"),
        ClientSecret("tenant", "client", Secret("secret"), "https://login.example"),
        ClientCertificate("tenant", "client", Secret("PEM"), Secret("password"), "https://login.example"),
        WorkloadIdentity("tenant", "client", "/token", "https://login.example"),
        AzureCli("tenant"),
        DefaultChain(),
    )
    assert {type(credential) for credential in credentials} == set(MODES.values())
    for credential in credentials:
        definition = DatastoreDefinition(
            "data", DatastoreKind.BLOB, "account1", "photos", endpoint="https://host", credential=credential
        )
        assert definition_of(words_of(definition)) == definition
