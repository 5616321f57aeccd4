"""`-o` of the one-shot mount: the options mount(8) knows, and every mapping and mount option by its name in the file."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mountd.config.combinations import impossible
from mountd.config.configuration import SECTIONS, Configuration
from mountd.config.document import unknown_key
from mountd.config.mappings import OPTIONS, read_pairs
from mountd.config.sections import settings_of
from mountd.definitions import MappingOptions
from mountd.errors import BadRequest
from mountd.fuse.config import MountConfig

# What /etc/fstab and mount(8) say to others than the filesystem, or what holds of every FUSE mount.
_FOR_OTHERS = frozenset(
    ("defaults", "auto", "noauto", "user", "users", "nouser", "owner", "nofail", "_netdev", "nosuid", "nodev")
    + ("relatime", "noatime", "nodiratime", "async")
)
_SPELLED = {"ro": ("read_only", "true"), "rw": ("read_only", "false"), "fsname": ("name", "")}


def options_of(words: Iterable[str], base: Configuration) -> tuple[MappingOptions, MountConfig]:
    """What `-o` said, one or more comma-separated lists, over a configuration. BadRequest names the option."""
    pairs = pairs_of(words)
    known = settings_of(MountConfig)
    # A name that is both (read_only) is meant for both: the mount is one mapping.
    mount = {name: text for name, text in pairs.items() if name in known}
    mapping = {name: text for name, text in pairs.items() if name in OPTIONS}
    for name in pairs:
        if name not in known and name not in OPTIONS:
            raise BadRequest(f"-o {name}: {unknown_key(name, (*known, *OPTIONS, 'ro', 'rw'), {})}")
    return mapping_options(mapping, base), mount_options(mount, base.mount)


def pairs_of(words: Iterable[str]) -> dict[str, str]:
    """Name → text; an option without a value is true. The last of a name stands, as with mount(8)."""
    found = {}
    for word in (part.strip() for words_ in words for part in words_.split(",")):
        name, _, text = word.partition("=")
        if not name or name in _FOR_OTHERS or name.startswith("x-") or name == "comment":
            continue
        name, fixed = _SPELLED.get(name, (name, ""))
        found[name] = fixed or text or "true"
    return found


def mapping_options(pairs: Mapping[str, str], base: Configuration) -> MappingOptions:
    return read_pairs(pairs, base.mapping_defaults, base.presets)


def mount_options(pairs: Mapping[str, str], base: MountConfig) -> MountConfig:
    known = settings_of(MountConfig)
    said = {}
    for name, text in pairs.items():
        if name not in known:
            raise BadRequest(f"-o {name}: {unknown_key(name, known, {})}")
        try:
            said[name] = known[name].read(text)
        except ValueError as error:
            raise BadRequest(f"-o {name}: {error}.") from None
    mount = replace(base, **said)
    others = {name: kind() for name, kind in SECTIONS.items()}
    for section, names, sentence in impossible(others | {"mount": mount}):
        name = next((name for name in names if name in pairs), names[0])
        raise BadRequest(f"-o {name}: {sentence}" if section == "mount" else f"{section}.{name}: {sentence}")
    return mount
