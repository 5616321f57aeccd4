"""Where a secret comes from: a file, standard input, or the environment; never argv, which every process list shows.

For each secret NAME there are --NAME-file (`-` is standard input, asked without echo on a terminal) and --NAME-env.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mountd.errors import BadRequest

SECRETS = {
    "account-key": "the storage account's key",
    "sas-token": "the shared access signature",
    "connection-string": "the connection string",
    "client-secret": "the application's secret",
    "certificate": "the application's certificate with its private key (PEM)",
    "certificate-password": "the password of the certificate's key",
}


class Refused(argparse.Action):
    """--account-key VALUE and the like: what stands there has been shown to the whole machine."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        parser.error(f"{option_string}: every process list shows it; use {option_string}-file or {option_string}-env")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("credential", "A secret is read from a file (- is standard input) or a variable.")
    for name, what in SECRETS.items():
        source = group.add_mutually_exclusive_group()
        source.add_argument(f"--{name}-file", metavar="FILE", help=f"{what}, from a file")
        source.add_argument(f"--{name}-env", metavar="NAME", help=f"{what}, from a variable")
        group.add_argument(f"--{name}", action=Refused, nargs="?", help=argparse.SUPPRESS)
    group.add_argument(
        "--method",
        choices=(
            "anonymous",
            "managed_identity",
            "azure_cli",
            "default_chain",
            "client_secret",
            "client_certificate",
            "workload_identity",
        ),
        help="how to sign in where no secret says it",
    )
    group.add_argument("--tenant-id", default="", help="the identity's directory")
    group.add_argument("--client-id", default="", help="the application, or the user-assigned identity")
    group.add_argument("--token-file", default="", metavar="FILE", help="workload identity: the token to exchange")
    group.add_argument(
        "--authority-url", default="", metavar="URL", help="where tokens come from, in a sovereign cloud"
    )


def read(options: argparse.Namespace) -> dict[str, str]:
    """Every secret that is given, by its API name."""
    from_input = [name for name in SECRETS if getattr(options, _attribute(name, "file")) == "-"]
    if len(from_input) > 1:
        raise BadRequest(f"--{from_input[0]}-file and --{from_input[1]}-file are both standard input.")
    found: dict[str, str] = {}
    for name in SECRETS:
        file, variable = getattr(options, _attribute(name, "file")), getattr(options, _attribute(name, "env"))
        if file or variable:
            found[name.replace("-", "_")] = _from_file(name, file) if file else _from_variable(name, variable)
    return found


def _attribute(name: str, source: str) -> str:
    return f"{name}-{source}".replace("-", "_")


def _from_file(name: str, file: str) -> str:
    if file != "-":
        try:
            content = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise BadRequest(f"--{name}-file {file} cannot be read: {reason}.") from None
    elif sys.stdin.isatty():
        from getpass import getpass

        content = getpass(f"{SECRETS[name]}: ")
    else:
        content = sys.stdin.read()
    if not content.strip():
        raise BadRequest(f"--{name}-file {file} is empty.")
    return content.strip()


def _from_variable(name: str, variable: str) -> str:
    content = os.environ.get(variable, "").strip()
    if not content:
        raise BadRequest(f"--{name}-env {variable}: the variable is not set.", remedy="Export it, or use a file.")
    return content
