"""A file to a configuration: everything wrong with it at once, each with its line and key; secrets from where they are kept."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mountd.config import Configuration, load, options_of, with_places
from mountd.config.combinations import impossible
from mountd.config.configuration import ABOUT, SECTIONS
from mountd.config.mappings import OPTIONS, PRESETS
from mountd.config.sections import settings_of
from mountd.definitions import (
    AccountKey,
    ClientSecret,
    DatastoreKind,
    DefaultChain,
    Freshness,
    ManagedIdentity,
    MappingOptions,
    Origin,
    Secret,
)
from mountd.errors import BadRequest, ConfigurationInvalid
from mountd.fuse.config import MountConfig

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "mountd.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return written


def problems(path: Path) -> list[str]:
    """Without the file's name in front."""
    with pytest.raises(ConfigurationInvalid) as raised:
        load(path)
    return [problem.removeprefix(f"{path}:") for problem in raised.value.problems]


# What is read ------------------------------------------------------------------------------------------------------


def test_a_mountpoint_is_enough(write: Write) -> None:
    configuration = load(write("mountpoint: /mnt/data\n"))
    assert configuration == with_places(Configuration(mountpoint="/mnt/data"))
    assert configuration.state_dir
    assert configuration.cache_dir
    assert configuration.socket


def test_everything_a_file_can_say(write: Write, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a2V5\n")
    configuration = load(
        write(f"""
mountpoint: /mnt/data
state_dir: /s
cache_dir: /c
socket: /run/x.sock
default_datastore: Images
storage: {{account: acct, container: workspace, method: default_chain}}
datastores:
  images:
    account: acct
    container: images
    endpoint_suffix: core.chinacloudapi.cn
    account_key: {{file: {tmp_path}/key}}
    note: for training
  here: {{kind: local, folder: /data}}
mapping_defaults: {{file_mode: "0600", umask: 0077}}
presets:
  mine: {{freshness: close-to-open, cache_share: 0.25}}
mappings:
  /train/images/: {{datastore: Images, prefix: 2024/train, preset: dataset_ro, uid: 7, gid: root}}
  /own: {{datastore: here, preset: mine, cache_share: 0.5}}
mount: {{allow_other: true, read_ahead: 1MiB, stop_deadline: 1m}}
cache: {{memory: 64MiB}}
stores: {{requests_per_second: 12.5, deadline: 60}}
logging: {{level: debug, format: json}}
""")
    )
    assert (configuration.state_dir, configuration.cache_dir, configuration.socket) == ("/s", "/c", "/run/x.sock")
    assert configuration.default_datastore == "images"
    workspace, images, here = configuration.datastores
    assert (workspace.name, workspace.credential, workspace.origin) == (
        "workspaceblobstore",
        DefaultChain(),
        Origin.FILE,
    )
    assert "configuration file" in workspace.note
    assert images.credential == AccountKey(Secret("a2V5"))
    assert images.endpoint_suffix == "core.chinacloudapi.cn"
    assert (here.kind, here.folder) == (DatastoreKind.LOCAL, "/data")
    train, own = configuration.mappings
    assert (train.path, train.datastore, train.prefix, train.origin) == (
        "/train/images",
        "images",
        "2024/train/",
        Origin.FILE,
    )
    assert (train.options.freshness, train.options.uid, train.options.gid) == (Freshness.IMMUTABLE, 7, 0)
    assert (own.options.freshness, own.options.cache_share, own.options.preset) == (
        Freshness.CLOSE_TO_OPEN,
        0.5,
        "mine",
    )
    assert configuration.mapping_defaults == MappingOptions(file_mode=0o600, umask=0o077)
    assert configuration.mount == MountConfig(allow_other=True, read_ahead=1 << 20, stop_deadline=60.0)
    assert configuration.cache.memory == 64 << 20
    assert (configuration.stores.requests_per_second, configuration.stores.deadline) == (12.5, 60.0)
    assert (configuration.logging.level, configuration.logging.format) == ("debug", "json")
    assert configuration.warnings == ()


def test_anchors_and_merges(write: Write) -> None:
    configuration = load(
        write("""
mountpoint: /m
datastores:
  one: &account {account: acct, container: one, method: managed_identity}
  two: {<<: *account, container: two}
""")
    )
    assert [(each.account, each.container) for each in configuration.datastores] == [("acct", "one"), ("acct", "two")]
    assert {each.credential for each in configuration.datastores} == {ManagedIdentity()}


def test_empty_sections_are_their_defaults(write: Write) -> None:
    text = "mountpoint: /m\n" + "".join(f"{section}:\n" for section in ABOUT)
    assert load(write(text)) == load(write("mountpoint: /m\n"))


def test_settings_alone_need_no_mountpoint(write: Write) -> None:
    assert load(write("cache: {memory: 32MiB}\n"), service=False).cache.memory == 32 << 20
    assert load(write(""), service=False) == with_places(Configuration())


# What is refused ---------------------------------------------------------------------------------------------------


def test_every_problem_is_said_at_once_with_line_and_key(write: Write) -> None:
    path = write("""\
mountpoint: mnt/data
mounts: {}
ttl: 10
datastores:
  images:
    account: acct
    container: imgs
    account_key: a2V5
    sas_token: sig=1
  bad-name:
    kind: blub
mappings:
  /a: {datastore: images, ttl: 3x, allow_other: true, freshnes: ttl}
  /a/: {datastore: images}
  b: {datastore: images}
  /c: {prefix: x}
mount:
  allow_other: "yes"
  max_tasks: 1
  ttl: 3
cache:
  memory: 64 potatoes
  disk: 1GiB
  disk: 2GiB
stores: 5
logging: {level: loud}
""")
    found = problems(path)
    expected = [
        ("1: mountpoint: ", "'mnt/data' is not an absolute path"),
        ("2: mounts: ", "Did you mean mount?"),
        ("3: ttl: ", "it belongs to a mapping"),
        ("9: datastores.images.sas_token: ", "account_key and sas_token are both given"),
        ("10: datastores.bad-name: ", "name 'bad-name' is not lowercase letters"),
        ("10: datastores.bad-name: ", "account is missing"),
        ("10: datastores.bad-name: ", "container is missing"),
        ("11: datastores.bad-name.kind: ", "'blub' is none of blob, local, memory"),
        ("13: mappings./a.ttl: ", "'3x' is not a duration"),
        ("13: mappings./a.allow_other: ", "it belongs under mount"),
        ("13: mappings./a.freshnes: ", "Did you mean freshness?"),
        ("14: mappings./a/: ", "is the same path as another mapping's"),
        ("15: mappings.b: ", "is not absolute in the tree"),
        ("16: mappings./c: ", "names no datastore"),
        ("18: mount.allow_other: ", "is text, where true or false is expected"),
        ("19: mount.max_tasks: ", "must not be smaller than min_tasks"),
        ("19: mount.max_tasks: ", "must not be smaller than max_background"),
        ("20: mount.ttl: ", "it belongs to a mapping"),
        ("22: cache.memory: ", "'64 potatoes' is not a size"),
        ("24: cache.disk: ", "is there twice; the first is in line 23"),
        ("25: stores: ", "is a number, where keys with values are expected"),
        ("26: logging.level: ", "'loud' is none of debug"),
    ]
    assert len(found) == len(expected), found
    for problem, (place, says) in zip(found, expected, strict=True):
        assert problem.startswith(place)
        assert says in problem


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1: mountpoint: is missing"),
        ("# nothing\n", "1: mountpoint: is missing"),
        ("mountpoint: [\n", "is not YAML"),
        ("mountpoint: /m\n\tx: 1\n", "2: is not YAML"),
        ("a: *nothing\n", "1: is not YAML: found undefined alias"),
        ("mountpoint: /m\n--- \nx: 1\n", "is not YAML"),
        ("- mountpoint\n", "1: is a list, where keys with values are expected"),
        ("just words\n", "1: is text, where keys with values are expected"),
        ("mountpoint: /m\x00\n", "is not YAML"),
        ("mountpoint: {a: b}\n", "1: mountpoint: is a mapping, where absolute path is expected"),
        ("mountpoint:\n", "1: mountpoint: is nothing, where absolute path is expected"),
        ("mountpoint: /m\ndatastores: &x {x: *x}\n", "2: datastores.x"),
        ("mountpoint: /m\n? [a]\n: 1\n", "2: has a key that is not a word"),
        ("mountpoint: /m\nmount: {name: yes}\n", "put it in quotes"),
        ("mountpoint: /m\nmount: {max_tasks: '5000'}\n", "is text, where number is expected"),
        ("mountpoint: /m\nmount: {max_tasks: -5}\n", "is not a whole number of 0 or more"),
        ("mountpoint: /m\nstores: {concurrency: 0}\n", "2: stores.concurrency: must be more than 0"),
        (
            "mountpoint: /m\nstores: {deadline: 5}\n",
            "2: stores.deadline: deadline (5) must not be smaller than stall_timeout (10)",
        ),
        (
            "mountpoint: /m\nstores: {stall_timeout: 1m}\n",
            "2: stores.stall_timeout: deadline (30) must not be smaller than stall_timeout (60)",
        ),
        ("mountpoint: /m\npresets: {dataset_ro: {}}\n", "2: presets.dataset_ro: is a preset of mountd's own"),
        ("mountpoint: /m\npresets: {a: {preset: b}}\n", "2: presets.a.preset: does not belong here"),
        ("mountpoint: /m\nmappings: {/a: {datastore: x, preset: y}}\n", "'y' is not a preset. There are checkpoint"),
        (
            "mountpoint: /m\nmappings: {/a: {datastore: x, freshness: immutable, ttl: 5}}\n",
            "ttl: means nothing with freshness immutable",
        ),
        ("mountpoint: /m\nmappings: {/a: {datastore: x, cache_share: 2}}\n", "write more than 0 and at most 1"),
        ("mountpoint: /m\nmappings: {/a: {datastore: x, uid: nobody-at-all}}\n", "is no user of this machine"),
        ("mountpoint: /m\nmappings: {/a/../b: {datastore: x}}\n", 'empty, "." or ".." segment'),
        ("mountpoint: /m\nmappings: {/a: {datastore: x, container: y}}\n", "it belongs to a datastore"),
        ("mountpoint: /m\ndatastores: {x: {account: acct, container: cont, prefix: y}}\n", "it belongs to a mapping"),
        (
            "mountpoint: /m\ndatastores: {X: {kind: memory}, x: {kind: memory}}\n",
            "is the same name as another datastore's",
        ),
        (
            "mountpoint: /m\ndatastores: {x: {endpoint: 'http://h/a', account: acct, container: cont}}\n",
            "set allow_http",
        ),
        ("mountpoint: /m\nstorage: {folder: /x}\n", "2: storage.folder: "),
        (
            "mountpoint: /m\nstorage: {account: acct, container: cont}\ndatastores: {workspaceblobstore: {kind: memory}}\n",
            "2: storage: and datastores.workspaceblobstore define the same datastore",
        ),
    ],
)
def test_what_cannot_be(write: Write, text: str, says: str) -> None:
    found = problems(write(text))
    assert any(says in problem for problem in found), found


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert problems(tmp_path / "nothing.yaml")[0].endswith("cannot be read: No such file or directory.")
    assert "cannot be read: Is a directory" in problems(tmp_path)[0]
    (tmp_path / "binary").write_bytes(b"mountpoint: \xff\n")
    assert "is not text in UTF-8 (byte 12)" in problems(tmp_path / "binary")[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.text(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.dictionaries(
            st.sampled_from([*ABOUT, *OPTIONS, "kind", "x", "/a", "mountpoint"]), inner, max_size=4
        ),
        max_leaves=12,
    ).map(repr)
)
def test_any_text_is_a_configuration_or_sentences(write: Write, text: str) -> None:
    path = write(text.replace("\r", "").encode("utf-8", "replace").decode())
    try:
        load(path)
    except ConfigurationInvalid as error:
        sentences = error.problems
    else:
        return
    assert sentences
    assert all(sentence.startswith(f"{path}:") and sentence.endswith((".", "?", "!")) for sentence in sentences)


# Secrets -----------------------------------------------------------------------------------------------------------

DATASTORE = "mountpoint: /m\ndatastores: {{x: {{account: acct, container: cont, account_key: {secret}}}}}\n"


def test_secrets_come_from_a_file_the_environment_or_systemd(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("a2V5\n")
    monkeypatch.setenv("THE_KEY", "a2V5")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for secret in (f"{{file: {tmp_path}/key}}", "{env: THE_KEY}", "{credential: key}", "a2V5"):
        (datastore,) = load(write(DATASTORE.format(secret=secret))).datastores
        assert datastore.credential == AccountKey(Secret("a2V5"))


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("{file: /nothing/here}", "account_key.file: /nothing/here cannot be read: No such file"),
        ("{file: relative}", "'relative' is not an absolute path"),
        ("{env: NOT_SET_ANYWHERE}", "account_key.env: the environment variable NOT_SET_ANYWHERE is not set"),
        ("{env: EMPTY}", "account_key.env: the env EMPTY is empty"),
        ("{credential: key}", "$CREDENTIALS_DIRECTORY is not set"),
        ("{vault: key}", "is not one of {file: PATH}"),
        ("{}", "is not one of {file: PATH}"),
        ("{file: /a, env: B}", "is not one of {file: PATH}"),
        ("[a]", "is a list, where a value is expected"),
        ("not-base64-secret9", "account_key: is not base64"),
    ],
)
def test_secrets_that_cannot_be_read(write: Write, monkeypatch: pytest.MonkeyPatch, secret: str, says: str) -> None:
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (found,) = problems(write(DATASTORE.format(secret=secret)))
    assert says in found
    assert "secret9" not in found


def test_a_credential_is_named_not_addressed(write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "is not the name of a credential" in problems(write(DATASTORE.format(secret="{credential: ../key}")))[0]


def test_a_secret_in_a_file_others_can_read_warns(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write(DATASTORE.format(secret="c2VjcmV0OQ=="))
    assert load(path).warnings == ()
    path.chmod(0o640)
    (warning,) = load(path).warnings
    assert warning.startswith(f"{path}:2: datastores.x.account_key: a secret stands in a file that others can read")
    assert warning in caplog.text
    assert "c2VjcmV0OQ" not in caplog.text + repr(load(path))


def test_an_expired_sas_and_a_capital_name_warn(write: Write) -> None:
    configuration = load(
        write("mountpoint: /m\ndatastores: {X: {account: acct, container: cont, sas_token: 'sig=s&se=2001-01-01'}}\n")
    )
    assert [datastore.name for datastore in configuration.datastores] == ["x"]
    named, ended = configuration.warnings
    assert "converted to lowercase" in named
    assert "the SAS ended at 2001-01-01" in ended


def test_a_connection_string_brings_the_account(write: Write) -> None:
    text = "mountpoint: /m\ndatastores: {{x: {{container: cont, connection_string: '{string}'{more}}}}}\n"
    string = "AccountName=acct;AccountKey=a2V5;EndpointSuffix=core.windows.net"
    (datastore,) = load(write(text.format(string=string, more=""))).datastores
    assert (datastore.account, datastore.credential) == ("acct", AccountKey(Secret("a2V5")))
    (found,) = problems(write(text.format(string=string, more=", account: other")))
    assert "the connection_string says 'acct'" in found


def test_an_identity(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_SECRET", "s")
    identity = "tenant_id: t, client_id: c, client_secret: {env: APP_SECRET}"
    text = f"mountpoint: /m\ndatastores: {{x: {{account: acct, container: cont, {identity}}}}}\n"
    (datastore,) = load(write(text)).datastores
    assert datastore.credential == ClientSecret("t", "c", Secret("s"))


# -o ----------------------------------------------------------------------------------------------------------------


def test_options_as_mount_knows_them() -> None:
    mapping, mount = options_of(
        ["ro,allow_other,uid=7,umask=022", "ttl=5m,nofail,x-systemd.automount,fsname=data"], Configuration()
    )
    assert mapping == MappingOptions(read_only=True, uid=7, umask=0o022, ttl=300.0)
    assert mount == MountConfig(allow_other=True, read_only=True, name="data")


def test_later_options_stand_and_rw_is_both() -> None:
    mapping, mount = options_of(["ro,ttl=1", "rw,ttl=2"], Configuration())
    assert (mapping.read_only, mapping.ttl, mount.read_only) == (False, 2.0, False)


def test_options_lie_over_the_file(write: Write) -> None:
    base = load(
        write("mapping_defaults: {ttl: 3}\nmount: {read_ahead: 1MiB}\npresets: {p: {prefetch: false}}\n"), service=False
    )
    assert options_of([], base) == (MappingOptions(ttl=3.0), MountConfig(read_ahead=1 << 20))
    mapping, _ = options_of(["preset=p,ttl=1"], base)
    assert mapping == MappingOptions(prefetch=False, ttl=1.0, preset="p")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("ttll=3", "-o ttll: is not known. Did you mean ttl?"),
        ("ttl=x", "-o ttl: 'x' is not a duration"),
        ("freshness=never", "-o freshness: 'never' is none of ttl, close-to-open, immutable"),
        ("freshness=immutable,ttl=3", "-o ttl: means nothing with freshness immutable"),
        ("preset=none", "-o preset: 'none' is not a preset"),
        ("max_tasks=0", "-o max_tasks: must be more than 0"),
        ("read_ahead=lots", "-o read_ahead: 'lots' is not a size"),
        ("noexec", "-o noexec: is not known"),
    ],
)
def test_options_that_cannot_be(option: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        options_of([option], Configuration())


# What keeps the configuration whole --------------------------------------------------------------------------------


def test_every_option_of_a_mapping_can_be_said() -> None:
    assert set(OPTIONS) == {field.name for field in fields(MappingOptions)}
    for preset in PRESETS.values():
        assert set(preset.options) <= set(OPTIONS)


def test_every_field_of_every_section_is_a_setting() -> None:
    for name, config in SECTIONS.items():
        assert set(settings_of(config)) == {field.name for field in fields(config)}, name
        for setting in settings_of(config).values():
            assert setting.why, setting.name


def test_the_defaults_are_possible() -> None:
    assert list(impossible({name: config() for name, config in SECTIONS.items()})) == []
