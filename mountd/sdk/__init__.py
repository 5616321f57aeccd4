"""Programs' door: a synchronous client of the control socket, with the names Azure ML's v1 SDK gave things.

    from mountd.sdk import Datastore, Workspace

Light: the standard library alone. It knows the API's words and errors, nothing else of the daemon.
"""

from mountd.sdk.client import Client
from mountd.sdk.datastore import AzureBlobDatastore, Datastore
from mountd.sdk.workspace import Workspace

__all__ = ["AzureBlobDatastore", "Client", "Datastore", "Workspace"]
