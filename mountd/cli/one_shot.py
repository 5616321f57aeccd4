"""`mountd mount SOURCE MOUNTPOINT`: a daemon of its own for one container, prefix or registered datastore.

Its directories follow from its mountpoint, so that any number run side by side. The credential stays in memory.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mountd import service
from mountd.cli import background
from mountd.cli.places import Places, places_of
from mountd.cli.source import Located, Named, credential_from_environment, parse
from mountd.definitions import DatastoreDefinition, MappingDefinition, Origin
from mountd.errors import (
    BadRequest,
    ConfigurationInvalid,
    DaemonNotRunning,
    InvalidDefinition,
    MountdError,
    UnknownDatastore,
)

if TYPE_CHECKING:
    from mountd.config import Configuration

log = logging.getLogger(__name__)


def mount(arguments: argparse.Namespace) -> int:
    """Exit status: 0 once the mount is usable (or, in the foreground, has ended well)."""
    credential = credential_from_environment(anonymous=arguments.anonymous)
    source = parse(arguments.source, allow_http=arguments.allow_http, credential=credential)
    mountpoint = os.path.abspath(arguments.mountpoint)
    places = _places(arguments, mountpoint)

    def serve(parent: background.Parent) -> int:
        return _reported(lambda: _serve(arguments, source, mountpoint, places, parent), parent)

    if arguments.foreground:
        return serve(background.in_foreground())
    return background.in_background(serve)


def _places(arguments: argparse.Namespace, mountpoint: str) -> Places:
    from mountd.fuse.mountpoint import located

    own = places_of(located(mountpoint))
    state = os.path.abspath(arguments.state_dir) if arguments.state_dir else own.state_dir
    return Places(
        state_dir=state,
        cache_dir=os.path.abspath(arguments.cache_dir) if arguments.cache_dir else own.cache_dir,
        socket=os.path.abspath(arguments.socket or (f"{state}/control.sock" if arguments.state_dir else own.socket)),
    )


def _reported(run: Callable[[], None], parent: background.Parent) -> int:
    """The exit status, and the failure's sentence to whoever waits for it."""
    try:
        run()
    except ConfigurationInvalid as error:
        return _told(parent, "\n".join(error.problems), 2)
    except MountdError as error:
        return _told(parent, f"mountd: {error}", 2 if isinstance(error, BadRequest | InvalidDefinition) else 1)
    except ImportError:
        raise
    except Exception:
        # Into the log, where secrets are starred out, and which a mount in the background has alone.
        log.exception("a bug ended the daemon")
        return _told(parent, "mountd: a bug ended it; its log has the details.", 1)
    return 0


def _told(parent: background.Parent, sentence: str, status: int) -> int:
    if not parent.failed(sentence):
        print(sentence, file=sys.stderr)
    return status


def _serve(
    arguments: argparse.Namespace, source: Named | Located, mountpoint: str, places: Places, parent: background.Parent
) -> None:
    import trio

    from mountd import config, logs
    from mountd.daemon import Daemon, Plan

    base = config.load(Path(arguments.config), service=False) if arguments.config else config.Configuration()
    mapping_options, mount_options = config.options_of(arguments.options, base)
    definition = _definition(source, base, named=bool(arguments.config))
    to_file = replace(base.logging, file=base.logging.file or f"{places.state_dir}/mountd.log")
    configuration = replace(
        base,
        mountpoint=mountpoint,
        state_dir=places.state_dir,
        cache_dir=places.cache_dir,
        socket=places.socket,
        datastores=(definition,),
        default_datastore=definition.name,
        mappings=(MappingDefinition("/", definition.name, source.prefix, mapping_options, Origin.FILE),),
        mount=replace(mount_options, name=arguments.source) if mount_options.name == "mountd" else mount_options,
        logging=base.logging if arguments.foreground else to_file,
    )
    service.private_directory(Path(places.state_dir), "state")
    logs.configure(configuration.logging, file_only=not arguments.foreground)
    verify = () if arguments.no_verify else configuration.datastores
    trio.run(Daemon(Plan(configuration, own_folders=False, verify=verify), parent.ready).run)


def _definition(source: Named | Located, service_of: "Configuration", *, named: bool) -> DatastoreDefinition:
    """As the mount keeps it; of a registered datastore with its credential, from the service or its registry. The service is
    the usual one, or the one whose configuration is `named`."""
    from mountd.registry.validation import checked

    found = source.definition if isinstance(source, Located) else _registered(source.datastore, service_of, named)
    return replace(checked(found).definition, origin=Origin.FILE)


def _registered(name: str, service_of: "Configuration", named: bool) -> DatastoreDefinition:
    from mountd import config
    from mountd.control.words import definition_of
    from mountd.daemon import declared
    from mountd.registry.registry import Registry
    from mountd.sdk.client import Client

    try:
        return definition_of(Client(service_of.socket if named else None).access(name))
    except DaemonNotRunning as nobody:
        state = Path(config.with_places(service_of).state_dir)
        if not (state / "registry.db").exists():
            raise UnknownDatastore(
                f"{name}: no service runs here, and {state} has no registry.",
                remedy="Start `mountd serve`, or mount by the container's address.",
            ) from nobody
        registry = Registry.open(state, declared=declared(service_of))
        try:
            return registry.get(name)
        finally:
            registry.close()
