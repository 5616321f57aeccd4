"""Azure Blob Storage: `BlobStore`."""

from mountd.stores.blob.store import BlobStore

__all__ = ["BlobStore"]
