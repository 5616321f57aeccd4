"""Paths as people write them: of the tree, or local ones below the mountpoint."""

import os

from mountd.sdk.client import Client


def tree_path(client: Client, text: str) -> str:
    """What to send to the daemon, which itself translates absolute paths below its mountpoint. A relative one means the
    working directory where that is mounted, else the tree's root."""
    if text.startswith("/"):
        return text
    mountpoint = client.readiness().mountpoint
    here = os.getcwd()
    if mountpoint and (here == mountpoint or here.startswith(mountpoint.rstrip("/") + "/")):
        return os.path.normpath(os.path.join(here, text))
    return os.path.normpath("/" + text)
