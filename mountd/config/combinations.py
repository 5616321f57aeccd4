"""Settings that cannot be together, across the fields of a section. Each rule names the key to change."""

from collections.abc import Iterator, Mapping
from typing import Any

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "text", "json")

# Section, key that must not be smaller, than which; 0 on the left means "none", and is left alone.
_ORDERED = (
    ("mount", "max_tasks", "min_tasks"),
    ("mount", "max_background", "congestion_threshold"),
    ("mount", "max_tasks", "max_background"),
    ("stores", "deadline", "stall_timeout"),
    ("stores", "deadline", "connect_timeout"),
    ("stores", "deadline", "breaker_trial_delay"),
    ("stores", "retry_longest_delay", "retry_first_delay"),
    ("tree", "siblings_at_most", "siblings_at_first"),
)
# Zero would mean that nothing works at all.
_POSITIVE = (
    ("mount", ("max_tasks", "call_limit")),
    ("stores", ("deadline", "connect_timeout", "stall_timeout", "concurrency", "retry_attempts", "slowest_rate")),
    ("tree", ("block_size",)),
    ("control", ("request_limit", "connections")),
    ("logging", ("burst",)),
)


def impossible(sections: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(section, keys, sentence) for everything that cannot be; defaults are always possible."""
    for section, larger, smaller in _ORDERED:
        config = sections[section]
        high, low = getattr(config, larger, 0), getattr(config, smaller, 0)
        if high and high < low:
            yield section, (larger, smaller), f"{larger} ({high:g}) must not be smaller than {smaller} ({low:g})."
    for section, names in _POSITIVE:
        for name in names:
            if getattr(sections[section], name, 1) <= 0:
                yield section, (name,), "must be more than 0."
    yield from _words(sections["logging"])


def _words(logging: Any) -> Iterator[tuple[str, tuple[str, ...], str]]:  # noqa: ANN401  any class with these fields
    for name, known in (("level", LEVELS), ("format", FORMATS)):
        if getattr(logging, name) not in known:
            yield "logging", (name,), f"{getattr(logging, name)!r} is none of {', '.join(known)}."
