"""The client against a real server on a real Unix socket: words in, words out, errors by their class, streams."""

import os
import socket
import threading

import pytest

from mountd import api, errors
from mountd.sdk import Client, Workspace
from mountd.sdk.paths import tree_path
from mountd.sdk.transport import _classes
from tests.unit.control.served import KEY, OTHER_KEY, running

BLOB = api.RegisterDatastore(
    name="data", account="account1", container="photos", credential=api.CredentialWords(account_key=KEY)
)
MEMORY = api.RegisterDatastore(name="data", kind="memory", container="c")


@pytest.fixture
def daemon(tmp_path):
    with running(tmp_path) as served:
        yield served


@pytest.fixture
def client(daemon):
    return Client(str(daemon.socket))


def test_every_operation_on_datastores_and_mappings(client):
    assert client.register(BLOB).credential == "account_key"
    assert [each.name for each in client.datastores()] == ["data", "workspaceblobstore", "workspacefilestore"]
    assert client.rotate("data", api.CredentialWords(account_key=OTHER_KEY)).name == "data"
    assert client.access("data").credential.account_key == OTHER_KEY
    assert client.default() == "workspaceblobstore"
    client.set_default("data")
    assert client.datastore("data").default
    added = client.add_mapping(api.AddMapping(path="/x", datastore="data", prefix="in", ttl=3))
    assert (added.prefix, added.ttl) == ("in/", 3)
    assert "/x" in [mapping.path for mapping in client.mappings()]
    client.remove_mapping("/x")
    client.unregister("data", force=True)
    assert client.default() == ""


def test_every_operation_on_the_tree_its_cache_and_the_daemon(daemon, client):
    client.register(MEMORY)
    daemon.do(daemon.house.put, "data", "é/a.txt", b"hello")
    assert client.stat("/data/é/a.txt").size == 5
    task = client.warm("/data")
    *_, ended = client.follow(task.id)
    assert (ended.state, ended.done) == ("done", 1)
    assert client.task(task.id) == ended == client.tasks()[0] == client.cancel(task.id)
    assert client.held("/data").complete
    used = client.cache_usage().memory_bytes
    assert 5 < used < 4096  # the bytes, and what it costs to know them
    assert client.clear_cache().bytes == used
    assert client.cache_usage().memory_bytes == 0
    assert client.invalidate("/data").path == "/data"
    assert client.files() == []
    assert client.diagnose("data").keys_seen == 1
    assert client.status().mappings == client.mappings()
    assert client.health().alive
    assert client.readiness().ready
    assert "mountd_" in client.metrics()
    assert client.log_level() in ("debug", "info", "warning", "error")
    assert [event.kind for event in client.events(100, follow=False)][:2] == ["datastore.registered", "task.done"]


def test_events_stream_until_the_daemon_stops(daemon, client):
    events = client.events(0)
    threading.Timer(0.05, client.register, [MEMORY]).start()
    assert next(events).kind == "datastore.registered"
    client.stop()
    assert [event.kind for event in events] == ["daemon.stopping"]
    assert daemon.ended.wait(10)
    assert not daemon.socket.exists()
    with pytest.raises(errors.DaemonNotRunning):
        client.health()


def test_an_error_comes_back_as_the_class_that_was_raised(daemon, client):
    with pytest.raises(errors.UnknownDatastore, match="none") as caught:
        client.datastore("none")
    assert "mountctl datastore list" in caught.value.remedy
    daemon.house.storages.refusal = errors.CredentialExpired("The SAS ended.", request_id="r-7")
    with pytest.raises(errors.CredentialExpired) as caught:
        client.register(BLOB)
    assert caught.value.request_id == "r-7"
    assert KEY not in str(caught.value)


def test_a_request_beyond_the_limit_is_refused_with_a_sentence(client):
    with pytest.raises(errors.BadRequest, match="larger than"):
        client.register(api.RegisterDatastore(name="x" * (3 << 20)))
    assert client.health().alive


def test_every_code_has_its_class():
    assert _classes()["datastore_in_use"] is errors.DatastoreInUse
    assert len(_classes()) > 40


def test_a_daemon_that_is_not_running_is_said_in_one_line(tmp_path):
    path = tmp_path / "control.sock"
    with pytest.raises(errors.DaemonNotRunning) as caught:
        Client(str(path)).status()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(errors.DaemonNotRunning):
        Client(str(path)).status()


def test_a_daemon_that_hangs_up_or_stays_silent(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(errors.StoreTimeout, match=r"0\.05 s"):
            Client(str(path), timeout=0.05).status()

        def hang_up():
            silent.accept()[0].close()
            silent.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(errors.DaemonNotRunning, match="hung up"):
            Client(str(path)).status()
        thread.join()


def test_a_socket_path_longer_than_an_address(tmp_path):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with running(deep) as served:
        assert Client(str(served.socket)).health().alive


@pytest.mark.parametrize(
    ("environment", "uid", "path"),
    [
        ({"MOUNTD_SOCKET": "/x/y.sock"}, 0, "/x/y.sock"),
        ({}, 0, "/run/mountd/control.sock"),
        ({"XDG_RUNTIME_DIR": "/"}, 1000, "/mountd/control.sock"),
        ({"XDG_RUNTIME_DIR": "/none", "HOME": "/home/me"}, 1000, "/home/me/.local/state/mountd/control.sock"),
        ({"XDG_RUNTIME_DIR": "/none", "XDG_STATE_HOME": "/st"}, 1000, "/st/mountd/control.sock"),
    ],
)
def test_daemon_and_client_agree_on_the_default_socket(environment, uid, path):
    assert api.default_socket(environment, uid) == path
    assert api.client_socket(environment, uid) == path


def test_an_older_or_newer_daemons_answer_is_understood():
    words = {"path": "/x", "inodes": 3, "a_field_of_the_future": True}
    assert api.decode(api.Invalidated, words) == api.Invalidated("/x", 3)
    with pytest.raises(ValueError, match="Invalidated"):
        api.decode(api.Invalidated, {"path": "/x"})


def test_paths_as_people_write_them(tmp_path, monkeypatch):
    mountpoint = tmp_path / "mnt"
    (mountpoint / "data").mkdir(parents=True)
    with running(tmp_path / "daemon", mountpoint=str(mountpoint)) as served:
        client = Client(str(served.socket))
        assert tree_path(client, "/data/x") == "/data/x"
        monkeypatch.chdir(mountpoint / "data")
        assert tree_path(client, "x") == f"{mountpoint}/data/x"
        assert tree_path(client, "../y") == f"{mountpoint}/y"
        monkeypatch.chdir(tmp_path)
        assert tree_path(client, "data/x") == "/data/x"


def test_secrets_are_in_no_repr():
    words = api.RegisterDatastore(
        name="x",
        credential=api.CredentialWords(
            account_key=KEY,
            sas_token=KEY,
            connection_string=KEY,
            client_secret=KEY,
            certificate=KEY,
            certificate_password=KEY,
        ),
    )
    assert KEY not in repr(words)


def test_the_client_costs_the_standard_library_alone():
    import subprocess
    import sys

    program = "import sys, mountd.sdk.client, mountd.sdk.workspace; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"mountd", "__main__"}
    assert {name for name in foreign if not name.startswith(("_", "__"))} == set()
    assert os.path.basename(sys.executable)


def test_an_order_longer_than_a_request_is_handed_over_as_it_comes(daemon, client, tmp_path, monkeypatch):
    client.register(MEMORY)
    daemon.do(daemon.house.put, "data", "a\nb", b"hello")
    task = client.prefetch(["data/a\nb", tmp_path / "elsewhere", ""])
    *_, ended = client.follow(client.cancel(task.id).id)
    assert ended.subject == "3 lines"
    paths = (f"/data/a long name to make it a long order/{number:06}" for number in range(60_000))
    task = client.prefetch(paths)
    assert task.subject == "60000 lines"
    assert client.cancel(task.id).kind == "prefetch"
    with pytest.raises(errors.BadRequest, match="no line"):
        client.prefetch([])
    with pytest.raises(errors.BadRequest, match="is no path"):
        client.prefetch(["/a\0b"])
    assert client.health().alive
    assert Workspace(str(daemon.socket)).prefetch(["/data/x"]).kind == "prefetch"
