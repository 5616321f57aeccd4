"""The emulator and Azurite are asked the same things, and answer the same, but for what differences.py gives a reason for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import count

import pytest

from mountd.emulator import Emulator
from tests.differential.case import Case
from tests.differential.differences import DIFFERENCES, Difference
from tests.differential.exchange import Answer, Step, Target
from tests.fixtures.azurite import Azurite

FAMILIES = ("containers", "listing", "reading", "writing", "blocks", "leases", "copying", "authorisation")
CASES: tuple[Case, ...] = tuple(
    case for family in FAMILIES for case in import_module(f"tests.differential.cases.{family}").CASES
)
_NUMBERS = count(1)
_RAN: set[str] = set()
_USED: set[Difference] = set()


@pytest.fixture(scope="module")
def targets(azurite: Azurite) -> Iterator[tuple[Target, Target]]:
    with Emulator() as emulator:
        ours = Target(emulator.endpoint, emulator.account, emulator.key)
        theirs = Target(azurite.endpoint, azurite.account, azurite.key)
        yield ours, theirs
        ours.close()
        theirs.close()


def run(target: Target, case: Case, container: str) -> list[Answer]:
    """All answers of a case; later steps may name what earlier answers said."""
    values = {"container": container}
    answers: list[Answer] = []
    steps = (Step("PUT", "?restype=container"), *case.steps) if case.container else case.steps
    for step in steps:
        answer = target.send(step, values)
        answers.append(answer)
        for name, header in (("etag", "etag"), ("snapshot", "x-ms-snapshot"), ("modified", "last-modified")):
            if header in answer.headers:
                values[name] = answer.headers[header]
    return answers


@pytest.mark.azurite
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answers_as_azurite_does(case: Case, targets: tuple[Target, Target]) -> None:
    container = f"differential-{next(_NUMBERS)}"
    ours, theirs = (run(target, case, container) for target in targets)
    found = {
        f"{number}: {name}": pair
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True), start=0 if case.container else 1)
        for name, pair in mine.differences(other).items()
    }
    _RAN.add(case.name)
    answers = dict(enumerate(ours, start=0 if case.container else 1))
    unexplained = {place: pair for place, pair in found.items() if not _explained(case.name, place, answers)}
    assert not unexplained, "\n".join(
        f"{place}\n  emulator {a!r}\n  azurite  {b!r}" for place, (a, b) in unexplained.items()
    )


def _explained(name: str, place: str, answers: Mapping[int, Answer]) -> bool:
    number, _, field = place.partition(": ")
    said = answers[int(number)].fields
    covering = {
        difference
        for difference in DIFFERENCES
        if difference.covers(name, field) and difference.answered(said["status"], said.get("header x-ms-error-code"))
    }
    _USED.update(covering)
    return bool(covering)


def test_there_are_enough_named_requests() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 150


def test_every_difference_has_a_reason() -> None:
    for difference in DIFFERENCES:
        assert difference.reason.endswith("."), difference
        assert difference.source.startswith("https://"), difference
        assert difference.known(case.name for case in CASES), f"No case is covered by {difference}."


def test_every_difference_was_seen() -> None:
    if len(_RAN) == len(CASES):  # nothing can be said of a part
        assert not set(DIFFERENCES) - _USED
