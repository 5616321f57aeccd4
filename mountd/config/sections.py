"""One section of the file to one frozen config class, by the class's own fields: a setting added beside its code appears here."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, get_type_hints

from mountd.config import values
from mountd.config.document import Node, unknown_key
from mountd.settings import Unit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key a person can write. `shown` stands for the default in documents where it depends on the machine."""

    name: str
    kind: type
    unit: Unit
    why: str
    default: Any
    read: Callable[[str], Any]
    described: str
    shown: str


def settings_of(config: type[Any]) -> dict[str, Setting]:
    """Every setting of a config class made with `settings.setting()`, in the order of its fields."""
    hints = get_type_hints(config)
    found = {}
    for field in fields(config):
        if "why" not in field.metadata:
            continue
        kind, unit = hints[field.name], field.metadata["unit"]
        default = field.default if field.default is not MISSING else None
        found[field.name] = Setting(
            name=field.name,
            kind=kind,
            unit=unit,
            why=str(field.metadata["why"]),
            default=default,
            read=values.reader(kind, unit),
            described=values.described(kind, unit),
            shown=field.metadata.get("shown") or values.shown(default, unit),
        )
    return found


def read_section(node: Node | None, config: type[T], elsewhere: Mapping[str, str]) -> T:
    """The section's config; what is wrong is said, and its default stands for it."""
    return config(**read_values(node.children() if node else {}, settings_of(config), elsewhere))


def read_values(
    children: Mapping[str, Node], known: Mapping[str, Setting], elsewhere: Mapping[str, str]
) -> dict[str, Any]:
    """Only what the file says, by setting."""
    found = {}
    for name, child in children.items():
        if name not in known:
            child.problem(unknown_key(name, known, elsewhere))
            continue
        try:
            found[name] = read_value(child, known[name])
        except ValueError as error:
            child.problem(f"{error}.")
    return found


def read_value(node: Node, setting: Setting) -> Any:  # noqa: ANN401  whatever a setting can hold
    """ValueError with the sentence."""
    if node.empty and setting.default is None:
        return None
    text = None if node.empty or node.is_mapping else node.scalar()
    if text is None:
        raise ValueError(f"is {node.described()}, where {setting.described} is expected")
    _refuse_other_kind(node, setting)
    return setting.read(text)


def _refuse_other_kind(node: Node, setting: Setting) -> None:
    """YAML's own idea of the scalar, where it matters: "yes" in quotes is no boolean, and yes without is no text."""
    if setting.kind is bool and not node.is_boolean:
        raise ValueError(f"is {node.described()}, where true or false is expected")
    if setting.kind is str and setting.unit is Unit.PLAIN and node.is_boolean:
        raise ValueError("is true or false to YAML, where text is expected: put it in quotes")
    if setting.kind in (int, float) and setting.unit is Unit.PLAIN and node.is_text and not node.is_boolean:
        raise ValueError(f"is text, where {setting.described} is expected")
