"""YAML to a frozen, validated configuration; every problem named with its file, line and key, all of them at once.

Each room's settings are its own config class; here they are found, read, documented. `python -m mountd.config` prints the
example and the reference.
"""

from mountd.config.configuration import Configuration, load, with_places
from mountd.config.options import mapping_options, mount_options, options_of
from mountd.config.reference import example, markdown

__all__ = [
    "Configuration",
    "example",
    "load",
    "mapping_options",
    "markdown",
    "mount_options",
    "options_of",
    "with_places",
]
