"""Mappings and their options: what can be said of one, the presets, and reading both.

The options are definitions.MappingOptions, which is a value of the floor below settings; here are its units and reasons, and
a test compares the two sets of names.
"""

import grp
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from mountd.config import values
from mountd.config.document import Node, unknown_key
from mountd.config.sections import Setting, read_values
from mountd.definitions import Freshness, MappingDefinition, MappingOptions, Origin
from mountd.errors import BadRequest, InvalidDefinition
from mountd.rules.mount_table import key_prefix, tree_path
from mountd.settings import Unit


@dataclass(frozen=True, slots=True)
class Preset:
    why: str
    options: Mapping[str, Any]


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "dataset": Preset(
            "training data that nobody changes while a job reads it: what was shown once is never asked for again",
            {"read_only": True, "freshness": Freshness.IMMUTABLE},
        ),
        "serving": Preset(
            "models and indexes that are released now and then: believed for a minute, so that requests of users wait for none of"
            " ours, and a release is seen within that minute",
            {"read_only": True, "freshness": Freshness.TTL, "ttl": 60.0},
        ),
        "checkpoints": Preset(
            "large files that another node writes and this one reads back, once each: every open asks the storage, and they take"
            " no more than half of the cache from the data that is read again",
            {"freshness": Freshness.CLOSE_TO_OPEN, "cache_share": 0.5},
        ),
        "shared": Preset(
            "a folder in which several people or jobs work: every open asks the storage, other people's new names are seen within"
            " two seconds, and a quarter of the cache is enough",
            {"freshness": Freshness.CLOSE_TO_OPEN, "ttl": 2.0, "cache_share": 0.25},
        ),
    }
)


def user(text: str) -> int:
    """A uid, as a number or by name."""
    return _identity(text, "user", lambda name: pwd.getpwnam(name).pw_uid)


def group(text: str) -> int:
    """A gid, as a number or by name."""
    return _identity(text, "group", lambda name: grp.getgrnam(name).gr_gid)


def share(text: str) -> float:
    value = values.number(text)
    if not 0 < value <= 1:
        raise ValueError(f"{text!r} is not a share: write more than 0 and at most 1")
    return value


def _identity(text: str, kind: str, number_of: Callable[[str], int]) -> int:
    if text.isdecimal():
        if int(text) >= 2**32 - 1:
            raise ValueError(f"{text!r} is too large for a {kind}'s number")
        return int(text)
    try:
        return number_of(text)
    except KeyError:
        raise ValueError(f"{text!r} is no {kind} of this machine") from None


_DEFAULT = MappingOptions()


def _option(name: str, why: str, kind: type = str, unit: Unit = Unit.PLAIN, **own: Any) -> Setting:  # noqa: ANN401
    default = getattr(_DEFAULT, name)
    return Setting(
        name=name,
        kind=kind,
        unit=unit,
        why=why,
        default=default,
        read=own.get("read") or values.reader(kind, unit),
        described=own.get("described") or values.described(kind, unit),
        shown=values.shown(default, unit),
    )


OPTIONS: Mapping[str, Setting] = MappingProxyType(
    {
        setting.name: setting
        for setting in (
            _option(
                "read_only", "true: every write is refused. This version of mountd does not write in any case", bool
            ),
            _option(
                "uid",
                "who owns what it shows; null: the daemon's own user",
                read=user,
                described="user, number or name",
            ),
            _option(
                "gid", "whose group it has; null: the daemon's own group", read=group, described="group, number or name"
            ),
            _option("file_mode", "the storage knows no modes: all files have this one", unit=Unit.MODE),
            _option("dir_mode", "and all folders this one", unit=Unit.MODE),
            _option("umask", "bits taken away from both modes", unit=Unit.MODE),
            _option(
                "freshness",
                "ttl: an open serves what was seen within `ttl`; close-to-open: each open asks; immutable: nothing is asked twice",
                Freshness,
            ),
            _option(
                "ttl",
                "how long names and attributes are believed, and with freshness ttl the content too; longer saves requests, shorter"
                " sees others' changes sooner",
                float,
                Unit.DURATION,
            ),
            _option("prefetch", "fetch ahead of sequential readers and of folders read file by file", bool),
            _option(
                "cache_share",
                "how much of the cache it may fill, of 1: less keeps a large scan from emptying it for others",
                float,
                read=share,
                described="number, above 0 up to 1",
            ),
            _option("preset", "a set of these by name; keys given beside it stand"),
        )
    }
)


def read_options(
    children: Mapping[str, Node],
    base: MappingOptions,
    presets: Mapping[str, MappingOptions],
    elsewhere: Mapping[str, str],
) -> MappingOptions:
    """The preset, or `base` where none is named; then the keys themselves."""
    said = read_values(children, OPTIONS, elsewhere)
    name = said.get("preset", "")
    if name and name not in presets:
        children["preset"].problem(f"{name!r} is not a preset. There are {', '.join(sorted(presets))}.")
        del said["preset"]
    else:
        base = presets.get(name, base)
    options = replace(base, **said)
    _refuse_idle_ttl(children, options)
    return options


def read_presets(
    node: Node | None, elsewhere: Mapping[str, str], base: MappingOptions = _DEFAULT
) -> dict[str, MappingOptions]:
    """The built-in ones and the file's, each on `base`: a preset changes what it says, and nothing else."""
    found = {name: replace(base, preset=name, **preset.options) for name, preset in PRESETS.items()}
    for name, child in (node.children() if node else {}).items():
        if name in PRESETS:
            child.problem("is a preset of mountd's own. Choose another name.")
            continue
        children = child.children()
        nested = children.pop("preset", None)
        if nested:
            nested.problem("does not belong here: a preset is not made of another one.")
        found[name] = replace(read_options(children, base, {}, elsewhere), preset=name)
    return found


def read_mappings(
    node: Node | None, base: MappingOptions, presets: Mapping[str, MappingOptions], elsewhere: Mapping[str, str]
) -> tuple[MappingDefinition, ...]:
    """`mappings:`, tree path → datastore, prefix and options."""
    found: dict[str, MappingDefinition] = {}
    for written, child in (node.children() if node else {}).items():
        try:
            path = tree_path(written)
        except InvalidDefinition as error:
            child.problem(f"{error}")
            continue
        if path in found:
            child.problem(f"is the same path as another mapping's: {path}.")
            continue
        children = child.children()
        datastore = _text(children.pop("datastore", None))
        if not datastore:
            child.problem("names no datastore. Write datastore: NAME below it.")
        prefix = _prefix(children.pop("prefix", None))
        options = read_options(children, base, presets, elsewhere)
        found[path] = MappingDefinition(path, datastore.lower(), prefix, options, Origin.FILE)
    return tuple(found.values())


def read_pairs(pairs: Mapping[str, str], base: MappingOptions, presets: Mapping[str, MappingOptions]) -> MappingOptions:
    """Options as `-o` gives them, text by name. BadRequest names the option."""
    said = {}
    for name, text in pairs.items():
        if name not in OPTIONS:
            raise BadRequest(f"-o {name}: {unknown_key(name, OPTIONS, {})}")
        try:
            said[name] = OPTIONS[name].read(text)
        except ValueError as error:
            raise BadRequest(f"-o {name}: {error}.") from None
    name = said.get("preset", "")
    if name and name not in presets:
        raise BadRequest(f"-o preset: {name!r} is not a preset. There are {', '.join(sorted(presets))}.")
    options = replace(presets.get(name, base), **said)
    if "ttl" in pairs and options.freshness is Freshness.IMMUTABLE:
        raise BadRequest(f"-o ttl: {_idle_ttl(options)}")
    return options


def _refuse_idle_ttl(children: Mapping[str, Node], options: MappingOptions) -> None:
    if "ttl" in children and options.freshness is Freshness.IMMUTABLE:
        children["ttl"].problem(_idle_ttl(options))


def _idle_ttl(options: MappingOptions) -> str:
    return f"means nothing with freshness {options.freshness}. Leave it out, or write freshness: ttl or close-to-open."


def _prefix(node: Node | None) -> str:
    text = _text(node)
    try:
        return key_prefix(text)
    except InvalidDefinition as error:
        if node is not None:
            node.problem(str(error))
        return ""


def _text(node: Node | None) -> str:
    return (node.scalar() or "") if node is not None else ""
