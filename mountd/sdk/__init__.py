"""Programs' door: a synchronous client of the control socket, with the names Azure ML's v1 SDK gave things.

    from mountd.sdk import Datastore, Workspace

Light: the standard library alone. It knows the API's words and errors, nothing else of the daemon.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mountd.sdk.client import Client
    from mountd.sdk.datastore import AzureBlobDatastore, Datastore
    from mountd.sdk.workspace import Workspace

__all__ = ["AzureBlobDatastore", "Client", "Datastore", "Workspace"]

_HOMES = {"AzureBlobDatastore": "datastore", "Client": "client", "Datastore": "datastore", "Workspace": "workspace"}


def __getattr__(name: str) -> object:
    """Each name on first use: mountctl needs the client alone, and starts in a quarter of a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
