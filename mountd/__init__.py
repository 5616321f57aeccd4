"""mountd makes cloud datastores look like local folders on a compute node.

This package's rooms, and which may import which, are described in docs/ARCHITECTURE.md.
"""

__version__ = "0.1.0"
