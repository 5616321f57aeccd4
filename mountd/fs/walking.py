"""Walks: when folders are listed one after the other, the tree below is listed flat."""

from mountd.fs.directory import Directory


class Walking:
    """State: none yet."""

    async def prepare(self, directory: Directory) -> None:
        """Before a folder is listed for somebody."""
