"""`mountd`: the daemon's command. Words in, exit status out; everything heavy is imported by the subcommand that needs it.

Exit status: 0 done; 1 it failed, and standard error says why; 2 the command line or the configuration is wrong.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from mountd import __version__
from mountd.errors import BadRequest, ConfigurationInvalid, InvalidDefinition, MountdError

EXTRA = 'pip install "mountd[daemon]"'


def main(words: Sequence[str] | None = None) -> int:
    """The command `mountd`."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(words)
    if rest and "rest" not in arguments:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ImportError as error:
        print(
            f"mountd: this command needs the daemon's part ({error.name} is missing). Install it: {EXTRA}",
            file=sys.stderr,
        )
        return 1
    except ConfigurationInvalid as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    except MountdError as error:
        print(f"mountd: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadRequest | InvalidDefinition) else 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mountd",
        description="Cloud datastores as local folders. `mountctl` talks to a running daemon.",
        epilog="Exit status: 0 done, 1 failed, 2 wrong command line or configuration.",
    )
    parser.add_argument("--version", action="version", version=f"mountd {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _serve(commands.add_parser("serve", help="run the service of a configuration file"))
    _mount(commands.add_parser("mount", help="mount one container, prefix or registered datastore"))
    _unmount(commands.add_parser("unmount", help="unmount, and wait until it is really gone"))
    _check(commands.add_parser("check", help="say all that is wrong with a configuration file"))
    _emulator(
        commands.add_parser("emulator", help="an embedded storage server, for trying without a cloud", add_help=False)
    )
    _demo(commands.add_parser("demo", help="the main job on this machine, proved, without a cloud"))
    return parser


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="the YAML; config.example.yaml has every key")

    def run(arguments: argparse.Namespace) -> int:
        from mountd.cli.host import serve

        return serve(arguments.config)

    parser.set_defaults(run=run)


def _mount(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "SOURCE is https://ACCOUNT.blob.SUFFIX/CONTAINER[/PREFIX]; for an emulator http://HOST:PORT/ACCOUNT/CONTAINER[/PREFIX] "
        "with --allow-http; or DATASTORE[/PREFIX] as registered with the running service. The credential of a URL comes from "
        "$AZURE_STORAGE_KEY, $AZURE_STORAGE_SAS_TOKEN or $AZURE_STORAGE_CONNECTION_STRING, else from the identity chain "
        "(managed identity, environment, az CLI, ...). Returns when the mount is usable."
    )
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("mountpoint", metavar="MOUNTPOINT", help="an empty directory")
    parser.add_argument(
        "-o",
        dest="options",
        metavar="OPTIONS",
        action="append",
        default=[],
        help="as mount(8): ro,allow_other,uid=...,gid=...,umask=... and every mapping and mount option of the configuration "
        "(freshness=ttl|close-to-open|immutable,ttl=SECONDS,preset=NAME,...)",
    )
    parser.add_argument("--foreground", "-f", action="store_true", help="stay; log to the terminal")
    parser.add_argument("--allow-http", action="store_true", help="an endpoint without encryption: emulators only")
    parser.add_argument("--anonymous", action="store_true", help="a public container: send no credential")
    parser.add_argument(
        "--no-verify", action="store_true", help="mount even if the storage refuses or cannot be reached now"
    )
    parser.add_argument("--cache-dir", metavar="DIR", help="the disk cache (default: derived from MOUNTPOINT)")
    parser.add_argument("--state-dir", metavar="DIR", help="registry and log (default: derived from MOUNTPOINT)")
    parser.add_argument("--socket", metavar="PATH", help="the control socket (default: in the state directory)")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="take cache, stores, mount and logging sections from here; DATASTORE is that service's",
    )

    def run(arguments: argparse.Namespace) -> int:
        from mountd.cli.one_shot import mount

        return mount(arguments)

    parser.set_defaults(run=run)


def _unmount(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mountpoint", metavar="MOUNTPOINT")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="give up after (default: %(default)s)"
    )

    def run(arguments: argparse.Namespace) -> int:
        from mountd.cli.host import unmount

        return unmount(arguments.mountpoint, arguments.timeout)

    parser.set_defaults(run=run)


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE")

    def run(arguments: argparse.Namespace) -> int:
        from mountd.cli.host import check

        return check(arguments.file)

    parser.set_defaults(run=run)


def _emulator(parser: argparse.ArgumentParser) -> None:
    # Its words are the emulator's own: it stands alone.
    parser.set_defaults(rest=[])

    def run(arguments: argparse.Namespace) -> int:
        from mountd.emulator.__main__ import main as emulate

        return emulate(arguments.rest)

    parser.set_defaults(run=run)


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", metavar="DIR", help="where it lives (default: in the user's cache directory)")

    def run(arguments: argparse.Namespace) -> int:
        from mountd.cli.demo import demo

        return demo(arguments.folder)

    parser.set_defaults(run=run)


if __name__ == "__main__":
    sys.exit(main())
