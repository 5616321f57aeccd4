"""mountctl's grammar. A leaf names its command as "module:function", which is imported only when it is carried out."""

import argparse
from collections.abc import Callable
from typing import Any, TypeAlias

from mountd import __version__
from mountd.cli.ctl import exits, secrets

Add: TypeAlias = Callable[..., argparse.ArgumentParser]

SHELLS = ("bash", "zsh", "fish")
LEVELS = ("debug", "info", "warning", "error")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="mountctl",
        description="Administers a mountd daemon through its control socket.",
        epilog=f"exit codes:\n{exits.table()}\n\nPATH is one of the tree (/ is its root), or a local one below the mountpoint.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"mountctl {__version__}")
    _common(top, default=None)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _datastore(commands)
    _mapping(commands)
    _cache(commands)
    _tasks(commands)
    _host(commands)
    return top


def _common(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """Before or after the command. SUPPRESS below the top: a later parser must not undo what an earlier one read."""
    parser.add_argument(
        "--socket",
        metavar="PATH",
        default=default,
        help="the daemon's socket (else $MOUNTD_SOCKET, else its usual place)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=False if default is None else default,
        help="answers as JSON, for programs",
    )


def _adder(commands: Any) -> Add:  # noqa: ANN401  argparse keeps the type to itself
    def add(name: str, work: str, summary: str, **more: Any) -> argparse.ArgumentParser:  # noqa: ANN401  argparse's own
        leaf: argparse.ArgumentParser = commands.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False, **more
        )
        _common(leaf)
        leaf.set_defaults(work=work)
        return leaf

    return add


def _group(commands: Any, name: str, summary: str) -> Add:  # noqa: ANN401  argparse keeps the type to itself
    parser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False
    )
    return _adder(parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND"))


def _datastore(commands: Any) -> None:  # noqa: ANN401
    add = _group(commands, "datastore", "registered storages and their credentials")
    add("list", "datastores:show_all", "list the datastores")
    show = add("show", "datastores:show", "show one datastore")
    show.add_argument("name", metavar="DATASTORE")
    _register(add)
    unregister = add("unregister", "datastores:unregister", "forget a datastore; its storage is not touched")
    unregister.add_argument("name", metavar="DATASTORE")
    unregister.add_argument("--force", action="store_true", help="though it is mapped, in use or the default")
    default = add("default", "datastores:default", "show or set the default datastore")
    default.add_argument("name", metavar="DATASTORE", nargs="?")
    rotate = add("rotate", "datastores:rotate", "give a datastore another credential; open files go on")
    rotate.add_argument("name", metavar="DATASTORE")
    rotate.add_argument("--skip-validation", action="store_true", help="do not try it first")
    secrets.add_arguments(rotate)
    doctor = add("doctor", "datastores:doctor", "try a datastore, and list keys the tree cannot show as they are")
    doctor.add_argument("name", metavar="DATASTORE")
    doctor.add_argument("--most-keys", type=int, metavar="N", help="look at no more keys than this (1,000,000)")


def _register(add: Add) -> None:
    register = add("register", "datastores:register", "register a storage; it appears at /NAME in the tree")
    register.add_argument("name", metavar="NAME", help="lowercase letters, digits and underscores")
    register.add_argument(
        "--kind", choices=("blob", "local", "memory"), default="blob", help="the kind of storage (blob)"
    )
    register.add_argument("--account", default="", help="the storage account")
    register.add_argument("--container", default="", help="the container")
    register.add_argument("--endpoint", default="", metavar="URL", help="the whole URL before the container")
    register.add_argument(
        "--endpoint-suffix", default="", metavar="HOST", help="core.windows.net, or a sovereign cloud's"
    )
    register.add_argument("--allow-http", action="store_true", help="an http endpoint is meant: an emulator")
    register.add_argument("--folder", default="", metavar="DIR", help="kind local: the folder")
    register.add_argument("--note", default="", help="a word to your colleagues, shown in listings")
    register.add_argument("--overwrite", action="store_true", help="replace a datastore of this name")
    register.add_argument("--create-if-not-exists", action="store_true", help="make the container where there is none")
    register.add_argument("--skip-validation", action="store_true", help="do not try it first")
    secrets.add_arguments(register)


def _mapping(commands: Any) -> None:  # noqa: ANN401
    add = _group(commands, "mapping", "which storage the tree shows where")
    add("list", "mappings:show_all", "list the mappings")
    new = add("add", "mappings:add", "show a datastore, or a folder of it, at a path of the tree")
    new.add_argument("path", metavar="PATH", help="absolute in the tree")
    new.add_argument("source", metavar="DATASTORE[/PREFIX]")
    new.add_argument("--read-only", action="store_true", default=None, help="writing is EROFS")
    new.add_argument("--uid", type=int, help="owner of what is shown (the daemon's)")
    new.add_argument("--gid", type=int, help="group of what is shown (the daemon's)")
    new.add_argument("--file-mode", metavar="MODE", help='octal, such as "0644"')
    new.add_argument("--dir-mode", metavar="MODE", help='octal, such as "0755"')
    new.add_argument("--umask", metavar="MODE", help="taken off both modes")
    new.add_argument(
        "--freshness", choices=("ttl", "close-to-open", "immutable"), help="when the storage is asked anew"
    )
    new.add_argument("--ttl", type=float, metavar="SECONDS", help="freshness ttl: how long an answer is believed")
    new.add_argument("--prefetch", action=argparse.BooleanOptionalAction, default=None, help="fetch ahead of readers")
    new.add_argument("--cache-share", type=float, metavar="SHARE", help="most of the cache it may take, 0 to 1")
    new.add_argument("--preset", metavar="NAME", help="options by name, from the configuration")
    remove = add("remove", "mappings:remove", "take a mapping away")
    remove.add_argument("path", metavar="PATH")


def _cache(commands: Any) -> None:  # noqa: ANN401
    add = _group(commands, "cache", "cached bytes")
    add("usage", "cache:usage", "how much is cached where")
    add("clear", "cache:clear", "forget every cached byte that no open file needs")
    invalidate = add("invalidate", "cache:invalidate", "ask the storage anew for a path and all below it")
    invalidate.add_argument("path", metavar="PATH")
    warm = add("warm", "cache:warm", "fetch a file, or all files of a folder, into the cache")
    warm.add_argument("path", metavar="PATH")
    warm.add_argument("--no-wait", action="store_true", help="print the task's id and return")
    held = add("is-cached", "cache:is_cached", "is a path in the cache? (exit code 0: all of it)")
    held.add_argument("path", metavar="PATH")
    add = _adder(commands)
    prefetch = add("prefetch", "prefetch:prefetch", "fetch files just ahead of a job that reads them in a known order")
    prefetch.add_argument(
        "--order",
        metavar="FILE",
        required=True,
        help="the paths in the order of reading, one a line; - for standard input",
    )
    prefetch.add_argument(
        "-0", "--null", action="store_true", help="each path ends with a NUL byte instead of a newline"
    )
    prefetch.add_argument("--no-wait", action="store_true", help="print the task's id and return")
    stat = add("stat", "cache:stat", "a path's version, and where its bytes are")
    stat.add_argument("path", metavar="PATH")
    add("files", "cache:files", "files that programs have open")


def _tasks(commands: Any) -> None:  # noqa: ANN401
    add = _group(commands, "tasks", "long work of the daemon")
    add("list", "tasks:show_all", "tasks that run, and the last that ended")
    show = add("show", "tasks:show", "one task")
    show.add_argument("id", metavar="TASK")
    show.add_argument("--follow", action="store_true", help="until it ends")
    cancel = add("cancel", "tasks:cancel", "ask a task to end")
    cancel.add_argument("id", metavar="TASK")
    events = _adder(commands)("events", "tasks:events", "what happens, as it happens")
    events.add_argument("--recent", type=int, default=10, metavar="N", help="past events first (10)")
    events.add_argument("--no-follow", action="store_true", help="past events only")


def _host(commands: Any) -> None:  # noqa: ANN401
    add = _adder(commands)
    add("status", "host:status", "datastores with their health, mappings, cache, requests in flight")
    add("health", "host:health", "is the daemon alive, and its tree mounted?")
    add("metrics", "host:metrics", "counters in Prometheus' text format")
    level = add("log-level", "host:log_level", "show or set how much is logged")
    level.add_argument("level", nargs="?", choices=LEVELS)
    add("stop", "host:stop", "stop the daemon: reads in flight finish, the mount goes")
    completion = add("completion", "completion:script", "print the completion script of a shell")
    completion.add_argument("shell", choices=SHELLS)
