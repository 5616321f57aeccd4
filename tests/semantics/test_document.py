"""docs/SEMANTICS.md and its tests agree: each paragraph is quoted, word for word, and nothing is quoted that is not there."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "SEMANTICS.md"
QUOTE = re.compile(r"(\d+|[A-Z])\. (.*)", re.DOTALL)


def plain(text):
    return " ".join(text.replace("`", "").replace("*", "").split())


def paragraphs():
    found = re.findall(
        r"^(\d+|[A-Z])\. (.*?)(?=\n\n(?:\d+\. |[A-Z]\. |## )|\Z)", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE
    )
    return {number: plain(text) for number, text in found}


def quotes():
    for file in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                quoted = QUOTE.fullmatch(ast.get_docstring(node) or "")
                if quoted:
                    yield node.name, quoted.group(1), plain(quoted.group(2))


def test_every_paragraph_is_quoted_by_a_test():
    assert set(paragraphs()) == {number for _, number, _ in quotes()}


def test_every_quote_stands_in_its_paragraph():
    known = paragraphs()
    wrong = [
        (name, text)
        for name, number, text in quotes()
        if any(part not in known.get(number, "") for part in parts(text))
    ]
    assert wrong == []


def parts(text):
    """A quote may leave out words in between: "…" stands for them."""
    return [part.strip().rstrip(".") for part in text.split("…")]
