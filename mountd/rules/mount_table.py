"""Which mapping owns a path of the tree. Pure and immutable: every change gives a new table.

Rules (docs/SEMANTICS.md, "The tree"): the longest mapping path that a path lies under owns it. An inner mapping shadows
what the outer one would show at its name; the folders on the way to it are directories whatever the outer storage says.
A mapping's root always exists. Automatic mappings (origin built-in: each datastore at /NAME) give way to a person's
mapping at the same path, and come back when that one goes. Two mappings of people on one path are refused.
It must not know storages, inodes, or how names of keys are spelled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mountd.definitions import MappingDefinition, MappingOptions, Origin
from mountd.errors import InvalidDefinition, UnknownMapping

LONGEST_NAME = 255  # NAME_MAX: what the kernel can ask for, in bytes
LONGEST_PATH = 4095  # PATH_MAX less its final NUL, in bytes


@dataclass(frozen=True, slots=True)
class Place:
    """What the table knows of one path.

    `mapping` owns it (None: no mapping does) and shows it as `relative`, its path below the mapping's root ("" is the
    root). `names` are the entries that the table itself puts here, sorted: roots of inner mappings and folders on the
    way to them; they shadow what the storage has under those names. `fixed`: a directory whatever the storage says.
    """

    mapping: MappingDefinition | None
    relative: str
    names: tuple[str, ...]

    @property
    def fixed(self) -> bool:
        return bool(self.names) or (self.mapping is not None and not self.relative)


class MountTable:
    """Tree path → mapping. The tree's root is always there, with or without a mapping of its own."""

    __slots__ = ("_automatic", "_chosen", "_names", "_shown")

    def __init__(self, mappings: Iterable[MappingDefinition] = ()) -> None:
        chosen: dict[str, MappingDefinition] = {}
        automatic: dict[str, MappingDefinition] = {}
        for mapping in mappings:
            layer = automatic if mapping.origin is Origin.BUILT_IN else chosen
            _refuse_second(layer, mapping)
            layer[mapping.path] = mapping
        self._chosen: Mapping[str, MappingDefinition] = chosen
        self._automatic: Mapping[str, MappingDefinition] = automatic
        self._shown: Mapping[str, MappingDefinition] = automatic | chosen
        self._names: Mapping[str, tuple[str, ...]] = _names_on_the_way(self._shown)

    def __repr__(self) -> str:
        rows = ", ".join(f"{path}={self._shown[path].datastore}" for path in sorted(self._shown))
        return f"MountTable({rows})"

    def add(self, mapping: MappingDefinition) -> "MountTable":
        """With one mapping more. InvalidDefinition: the path cannot be one, or has a mapping of the same layer."""
        check_path(mapping.path)
        check_prefix(mapping.prefix)
        return MountTable([*self._chosen.values(), *self._automatic.values(), mapping])

    def remove(self, path: str) -> "MountTable":
        """Without the mapping that is shown at exactly this path; an automatic one that it hid is shown again."""
        shown = self.at(path)
        rest = [mapping for mapping in (*self._chosen.values(), *self._automatic.values()) if mapping is not shown]
        return MountTable(rest)

    def remove_datastore(self, name: str) -> "MountTable":
        """Without the automatic mappings of a datastore; those of people stay."""
        rest = [mapping for mapping in self._automatic.values() if mapping.datastore != name]
        return MountTable([*self._chosen.values(), *rest])

    def at(self, path: str) -> MappingDefinition:
        """The mapping shown at exactly this path; UnknownMapping if there is none."""
        mapping = self._shown.get(path)
        if mapping is None:
            raise UnknownMapping(
                f"Nothing is mapped at {path}.", remedy="List the mappings with `mountctl mapping list`."
            )
        return mapping

    def shown(self) -> tuple[MappingDefinition, ...]:
        """Every mapping that the tree shows, by path."""
        return tuple(self._shown[path] for path in sorted(self._shown))

    def mapped_by_people(self, datastore: str) -> tuple[str, ...]:
        """Paths at which people mapped a datastore: what keeps it from being unregistered."""
        return tuple(sorted(path for path, mapping in self._chosen.items() if mapping.datastore == datastore))

    def children(self, path: str) -> tuple[str, ...]:
        """Names that the table itself puts into a directory, sorted."""
        return self._names.get(path, ())

    def resolve(self, path: str) -> Place | None:
        """Who shows this path; None if no mapping owns it and none lies below it, so that there is no such path."""
        names = self.children(path)
        at = path
        while True:
            mapping = self._shown.get(at)
            if mapping is not None:
                return Place(mapping, path[len(at) :].lstrip("/"), names)
            if at == "/":
                return Place(None, "", names) if names or path == "/" else None
            at = parent(at)


def automatic(datastore: str, options: MappingOptions) -> MappingDefinition:
    """How a registered datastore appears by itself."""
    return MappingDefinition(f"/{datastore}", datastore, options=options, origin=Origin.BUILT_IN)


def parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def tree_path(text: str) -> str:
    """A path of the tree as a person may write it (a trailing slash is dropped); InvalidDefinition with the reason."""
    path = text.rstrip("/") if text.strip("/") else text[:1]
    check_path(path)
    return path


def key_prefix(text: str) -> str:
    """A prefix as a person may write it: a leading slash is dropped, a trailing one added. It names a folder of keys."""
    prefix = text[1:] if text.startswith("/") else text
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    check_prefix(prefix)
    return prefix


def check_path(path: str) -> None:
    if not path.startswith("/"):
        raise InvalidDefinition(f"path {path!r} is not absolute in the tree.", remedy='Begin it with "/".')
    if path == "/":
        return
    _refuse_control_characters(path, "path")
    if _size(path, "path") > LONGEST_PATH:
        raise InvalidDefinition(f"path has more than {LONGEST_PATH} bytes.", remedy="Choose a shorter one.")
    for segment in path[1:].split("/"):
        if segment in ("", ".", ".."):
            raise InvalidDefinition(
                f'path {path!r} has an empty, "." or ".." segment.', remedy="Write the plain path from the tree's root."
            )
        if _size(segment, "path") > LONGEST_NAME:
            raise InvalidDefinition(
                f"path {path!r} has a segment of more than {LONGEST_NAME} bytes.", remedy="Shorten it."
            )


def check_prefix(prefix: str) -> None:
    if prefix and not prefix.endswith("/"):
        raise InvalidDefinition(
            f"prefix {prefix!r} does not end in a slash.", remedy='A prefix names a folder: end it with "/".'
        )
    if len(prefix) > 1024:
        raise InvalidDefinition("prefix has more than 1,024 characters.", remedy="No blob's name is longer than that.")
    _size(prefix, "prefix")
    _refuse_control_characters(prefix, "prefix")


def _refuse_second(layer: Mapping[str, MappingDefinition], mapping: MappingDefinition) -> None:
    taken = layer.get(mapping.path)
    if taken is not None:
        raise InvalidDefinition(
            f"path {mapping.path} already shows {taken.datastore}/{taken.prefix}; {mapping.datastore} cannot be mapped there too.",
            remedy=f"Remove the mapping at {mapping.path} first, or choose another path.",
        )


def _names_on_the_way(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for path in paths:
        while path != "/":
            above = parent(path)
            found.setdefault(above, set()).add(path.rpartition("/")[2])
            path = above
    return {path: tuple(sorted(names)) for path, names in found.items()}


def _size(text: str, argument: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidDefinition(f"{argument} {text!r} is not valid UTF-8.", remedy="Write it in UTF-8.") from None


def _refuse_control_characters(text: str, argument: str) -> None:
    if any(character < " " or character == "\x7f" for character in text):
        raise InvalidDefinition(f"{argument} {text!r} has a control character.", remedy="Remove it.")
