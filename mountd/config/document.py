"""A YAML file as nodes that remember their line, and the list of everything wrong with it.

Duplicate keys are found here, before merging (`<<`) hides them. It must not know any key of ours.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

_BOOL, _INT, _FLOAT, _NULL, _STR = (f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null", "str"))
_KINDS = {_BOOL: "true or false", _INT: "a number", _FLOAT: "a number", _NULL: "nothing", _STR: "text"}


@dataclass(slots=True)
class Problems:
    """Everything wrong with one file so far: `file:line: key.path: sentence` each, in the order of its lines."""

    file: str
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, path: str, sentence: str) -> None:
        where = f"{path}: " if path else ""
        problem = (line, f"{self.file}:{line}: {where}{sentence}")
        if problem not in self._found:
            self._found.append(problem)

    def sentences(self) -> list[str]:
        return [sentence for _, sentence in sorted(self._found, key=lambda problem: problem[0])]


class Node:
    """One value of the file: a scalar, a mapping or a sequence. `path` is its key's path."""

    def __init__(self, node: yaml.Node, path: str, line: int, problems: Problems) -> None:
        self._node = node
        self.path = path
        self.line = line
        self.problems = problems

    def problem(self, sentence: str) -> None:
        self.problems.add(self.line, self.path, sentence)

    @property
    def empty(self) -> bool:
        return self._node.tag == _NULL

    @property
    def is_mapping(self) -> bool:
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_text(self) -> bool:
        return self._node.tag == _STR

    @property
    def is_boolean(self) -> bool:
        return self._node.tag == _BOOL

    def described(self) -> str:
        if isinstance(self._node, yaml.ScalarNode):
            return _KINDS.get(self._node.tag, "a scalar")
        return "a mapping" if self.is_mapping else "a list"

    def scalar(self) -> str | None:
        """Its text as written; None, and a problem, if it is none."""
        if isinstance(self._node, yaml.ScalarNode) and not self.empty:
            return str(self._node.value)
        self.problem(f"is {self.described()}, where a value is expected.")
        return None

    def children(self) -> dict[str, "Node"]:
        """Of a mapping, by key; nothing at all for an empty value; a problem for anything else."""
        if self.empty:
            return {}
        if not isinstance(self._node, yaml.MappingNode):
            self.problem(f"is {self.described()}, where keys with values are expected.")
            return {}
        found = {}
        for key, value in self._node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.add(key.start_mark.line + 1, self.path, "has a key that is not a word.")
                continue
            name = str(key.value)
            below = f"{self.path}.{name}" if self.path else name
            found[name] = Node(value, below, key.start_mark.line + 1, self.problems)
        return found


def compose(path: Path, text: str, problems: Problems) -> Node | None:
    """The file's top; None, with a problem, if it is not YAML. An empty file is an empty value."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.add(line, "", f"is not YAML: the character {error.character:#x} may not stand there.")
        return None
    try:
        node = loader.get_single_node()
        if node is None:
            node = yaml.ScalarNode(_NULL, "", yaml.Mark(str(path), 0, 0, 0, "", 0))
        _flatten(node, loader, problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(mark.line + 1 if mark else 1, "", f"is not YAML: {error.problem or error.context}.")
        return None
    finally:
        loader.dispose()
    return Node(node, "", 1, problems)


def _flatten(top: yaml.Node, loader: yaml.SafeLoader, problems: Problems) -> None:
    """Says duplicate keys, then puts merged keys in. Each node once: aliases may share nodes, or even hold themselves."""
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node, str]] = [(top, "")]
    while waiting:
        node, path = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _say_duplicates(node, path, problems)
            waiting += [(value, _below(path, key)) for key, value in node.value]
            loader.flatten_mapping(node)
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(value, path) for value in node.value]


def _say_duplicates(node: yaml.MappingNode, path: str, problems: Problems) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        if key.value in first:
            problems.add(line, _below(path, key), f"is there twice; the first is in line {first[key.value]}.")
        first.setdefault(key.value, line)


def _below(path: str, key: yaml.Node) -> str:
    name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
    return f"{path}.{name}" if path else name


def unknown_key(name: str, known: Iterable[str], elsewhere: Mapping[str, str]) -> str:
    """The sentence for a key that is not known here: where it belongs, or what was perhaps meant."""
    if name in elsewhere:
        return f"does not belong here: {elsewhere[name]}."
    near = difflib.get_close_matches(name, list(known), 1)
    if near:
        return f"is not known. Did you mean {near[0]}?"
    far = difflib.get_close_matches(name, list(elsewhere), 1, 0.8)
    if far:
        return f"is not known. Did you mean {far[0]}? But {elsewhere[far[0]]}."
    return f"is not known. Known here: {', '.join(sorted(known))}."
