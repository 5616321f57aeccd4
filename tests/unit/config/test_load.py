"""A file to a configuration: everything wrong with it at once, each with its line and key; secrets from where they are kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mountd.config import Configuration, load, options_of, with_places
from mountd.config.configuration import ABOUT
from mountd.config.mappings import OPTIONS
from mountd.definitions import (
    AccountKey,
    DatastoreKind,
    DefaultChain,
    Freshness,
    ManagedIdentity,
    MappingOptions,
    Origin,
    Secret,
)
from mountd.errors import ConfigurationInvalid
from mountd.fuse.config import MountConfig

Write = Callable[[str], Path]


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


EVERYTHING = """
mountpoint: /mnt/data
state_dir: /s
cache_dir: /c
socket: /run/x.sock
default_datastore: Images
storage: {account: acct, container: workspace, method: default_chain}
datastores:
  images:
    account: acct
    container: images
    endpoint_suffix: core.chinacloudapi.cn
    account_key: {file: KEY_FILE}
    note: for training
  here: {kind: local, folder: /data}
mapping_defaults: {file_mode: "0600", umask: 0077}
presets:
  mine: {freshness: close-to-open, cache_share: 0.25}
mappings:
  /train/images/: {datastore: Images, prefix: 2024/train, preset: dataset, uid: 7, gid: root}
  /own: {datastore: here, preset: mine, cache_share: 0.5}
mount: {allow_other: true, read_ahead: 1MiB, stop_deadline: 1m}
cache: {memory: 64MiB}
stores: {requests_per_second: 12.5, deadline: 60}
logging: {level: debug, format: json}
"""


def test_everything_a_file_can_say(write: Write, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a2V5\n")
    configuration = load(write(EVERYTHING.replace("KEY_FILE", f"{tmp_path}/key")))
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


def test_a_preset_says_its_own_options_and_leaves_the_defaults(write: Write) -> None:
    """A mapping with a preset is not readable for everybody where the file's defaults say that nothing is."""
    configuration = load(write(EVERYTHING.replace("account_key: {file: KEY_FILE}", "method: default_chain")))
    for mapping in configuration.mappings:
        assert (mapping.options.file_mode, mapping.options.umask) == (0o600, 0o077)
    assert {preset.umask for preset in configuration.presets.values()} == {0o077}
    one_shot, _ = options_of(["preset=dataset"], configuration)
    assert (one_shot.umask, one_shot.freshness) == (0o077, Freshness.IMMUTABLE)


def test_defaults_may_take_a_preset_themselves(write: Write) -> None:
    text = "mountpoint: /m\nmapping_defaults: {preset: checkpoints, uid: 7}\nmappings: {/a: {datastore: x, preset: shared}}\n"
    options = load(write(text)).mappings[0].options
    assert (options.uid, options.freshness, options.cache_share) == (7, Freshness.CLOSE_TO_OPEN, 0.25)


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


WRONG = """\
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
"""
SAID = [
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


def test_every_problem_is_said_at_once_with_line_and_key(write: Write) -> None:
    found = problems(write(WRONG))
    assert len(found) == len(SAID), found
    for problem, (place, says) in zip(found, SAID, strict=True):
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
        ("mountpoint: /m\npresets: {dataset: {}}\n", "2: presets.dataset: is a preset of mountd's own"),
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
