"""Everything a daemon is told, as one frozen value, and reading it from a file. All problems of a file are raised at once."""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mountd import api
from mountd.config.combinations import impossible
from mountd.config.datastores import ADDRESS, DatastoreReader
from mountd.config.document import Node, Problems, compose, unknown_key
from mountd.config.mappings import OPTIONS, read_mappings, read_options, read_presets
from mountd.config.sections import read_section, read_value, settings_of
from mountd.content.config import CacheConfig
from mountd.control.config import ControlConfig
from mountd.definitions import DatastoreDefinition, MappingDefinition, MappingOptions
from mountd.errors import ConfigurationInvalid
from mountd.fs.config import TreeConfig
from mountd.fuse.config import MountConfig
from mountd.logs import LoggingConfig
from mountd.registry.arguments import CREDENTIAL_ARGUMENTS
from mountd.settings import Unit, setting
from mountd.stores.config import StoreConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Directories and the socket are never empty after `load`. `presets` has the built-in ones too."""

    mountpoint: str = setting("", "where the tree is mounted: an empty directory", unit=Unit.PATH)
    state_dir: str = setting(
        "",
        "registry and key; 0700, one daemon. Empty: /var/lib/mountd for root, else mountd in the user's state directory",
        unit=Unit.PATH,
    )
    cache_dir: str = setting(
        "",
        "the disk cache; 0700, one daemon. Empty: /var/cache/mountd for root, else mountd in the user's cache directory",
        unit=Unit.PATH,
    )
    socket: str = setting(
        "",
        "the control socket. Empty: /run/mountd/control.sock for root, else in the user's runtime directory",
        unit=Unit.PATH,
    )
    default_datastore: str = setting("", "empty: the socket's choice, at first workspaceblobstore")
    datastores: tuple[DatastoreDefinition, ...] = ()
    mapping_defaults: MappingOptions = field(default_factory=MappingOptions)
    presets: Mapping[str, MappingOptions] = field(default_factory=lambda: read_presets(None, {}))
    mappings: tuple[MappingDefinition, ...] = ()
    mount: MountConfig = field(default_factory=MountConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    stores: StoreConfig = field(default_factory=StoreConfig)
    tree: TreeConfig = field(default_factory=TreeConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    warnings: tuple[str, ...] = ()


SECTIONS: Mapping[str, type] = {
    "mount": MountConfig,
    "cache": CacheConfig,
    "stores": StoreConfig,
    "tree": TreeConfig,
    "control": ControlConfig,
    "logging": LoggingConfig,
}
"""Sections that are one config class each: what the class has, the section has."""

ABOUT: Mapping[str, str] = {
    "storage": "the workspace's own account and container: the datastore workspaceblobstore. Without it that is a local folder",
    "datastores": "NAME: where it is and how to sign in. The socket does not change these",
    "mapping_defaults": "options of every mapping, and of each datastore's own folder at /NAME",
    "presets": "NAME: options that a mapping takes with `preset: NAME`",
    "mappings": "PATH in the tree: datastore, prefix and options. Each datastore is at /NAME without one",
    "mount": "the mount and the kernel",
    "cache": "how many bytes may be held where",
    "stores": "how storages are reached, and how one is protected from the others",
    "tree": "names, attributes and what is asked for ahead",
    "control": "the control socket",
    "logging": "what is logged and where",
}


def load(path: Path, *, service: bool = True) -> Configuration:
    """The configuration in a file. ConfigurationInvalid with every problem. `service`: a mountpoint must be named. Warnings are
    logged, and in the result."""
    problems = Problems(str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationInvalid([f"{path}: cannot be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationInvalid([f"{path}: is not text in UTF-8 (byte {error.start})."]) from error
    top = compose(path, text, problems)
    configuration = _read(top, path, problems) if top else Configuration()
    if top and service and not configuration.mountpoint and "mountpoint" not in top.children():
        problems.add(1, "mountpoint", "is missing: say where the tree is to be mounted.")
    if found := problems.sentences():
        raise ConfigurationInvalid(found)
    for warning in configuration.warnings:
        log.warning("%s", warning)
    return with_places(configuration)


def with_places(configuration: Configuration, environment: Mapping[str, str] = os.environ) -> Configuration:
    """With the usual directories and socket where none is named."""
    home = Path(environment.get("HOME") or "/")
    if os.geteuid() == 0:
        state, cache = Path("/var/lib"), Path("/var/cache")
    else:
        state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return replace(
        configuration,
        state_dir=configuration.state_dir or str(state / "mountd"),
        cache_dir=configuration.cache_dir or str(cache / "mountd"),
        socket=configuration.socket or api.default_socket(environment),
    )


def _read(top: Node, path: Path, problems: Problems) -> Configuration:
    keys = settings_of(Configuration)
    children = top.children()
    warnings: list[str] = []
    elsewhere = places()
    found: dict[str, Any] = {}
    for name, child in children.items():
        if name in keys:
            try:
                found[name] = read_value(child, keys[name])
            except ValueError as error:
                child.problem(f"{error}.")
        elif name not in ABOUT:
            child.problem(unknown_key(name, (*keys, *ABOUT), elsewhere))
    sections: dict[str, Any] = {
        name: read_section(children.get(name), config, elsewhere) for name, config in SECTIONS.items()
    }
    reader = DatastoreReader(path, time.time(), warnings.append, elsewhere)
    datastores = reader.read_all(children.get("datastores"))
    if storage := reader.read_storage(children.get("storage")):
        _refuse_two_workspaces(children, storage, datastores)
        datastores = (storage, *datastores)
    defaults = children.get("mapping_defaults")
    presets = read_presets(children.get("presets"), elsewhere)
    base = read_options(defaults.children() if defaults else {}, MappingOptions(), presets, elsewhere)
    # Again, on the defaults that may have named one of them.
    presets = read_presets(children.get("presets"), elsewhere, base)
    mappings = read_mappings(children.get("mappings"), base, presets, elsewhere)
    for section, names, sentence in impossible(sections):
        said = children[section].children()
        next((said[name] for name in names if name in said), children[section]).problem(sentence)
    found["default_datastore"] = found.get("default_datastore", "").lower()
    return Configuration(
        **found,
        **sections,
        datastores=datastores,
        mapping_defaults=base,
        presets=presets,
        mappings=mappings,
        warnings=tuple(warnings),
    )


def places() -> dict[str, str]:
    """Each key's home, for the one who wrote it elsewhere."""
    found = dict.fromkeys((*ADDRESS, *CREDENTIAL_ARGUMENTS), "it belongs to a datastore (datastores.NAME)")
    found |= {
        name: f"it belongs under {section}" for section, config in SECTIONS.items() for name in settings_of(config)
    }
    found |= dict.fromkeys(
        ("datastore", "prefix", *OPTIONS), "it belongs to a mapping (mappings.PATH, or mapping_defaults)"
    )
    # Both a mapping and the cache decide this one.
    found["prefetch"] = "it belongs to a mapping, or under cache for all of them"
    found["read_only"] = "it belongs to a mapping, or under mount for all of them"
    return found | dict.fromkeys((*settings_of(Configuration), *ABOUT), "it stands at the top of the file")


def _refuse_two_workspaces(
    children: Mapping[str, Node], storage: DatastoreDefinition, datastores: tuple[DatastoreDefinition, ...]
) -> None:
    for definition in datastores:
        if definition.name == storage.name:
            children["storage"].problem(
                f"and datastores.{storage.name} define the same datastore. Leave one of them out."
            )
