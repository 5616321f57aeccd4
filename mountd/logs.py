"""How log records leave the daemon: text to a terminal, one JSON object a line otherwise, bounded in volume, never a secret.

Secrets do not reach log calls in the first place (definitions.Secret does not print). What stands here is the second lock:
every line is searched for the values in use (`conceal`), plain and URL-encoded, and for the shapes secrets have.
"""

import json
import logging
import logging.handlers
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TextIO
from urllib.parse import quote, unquote

from cachetools import LRUCache

from mountd.errors import ConfigurationInvalid
from mountd.metrics import LOG_SUPPRESSED
from mountd.settings import Unit, setting

_STARS = "***"
_SHAPES = re.compile(
    r"(?P<name>\bsig=|\bAccountKey=|\bSharedAccessSignature=|\bSharedKey(?:Lite)? [^:\s]+:|\bBearer "
    r"|\bclient_secret=|\bclient_assertion=)"
    r"[^&;\s\"'<>]+",
    re.IGNORECASE,
)
_PLAIN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """What is logged and where."""

    level: str = setting("info", "debug, info, warning or error; `mountctl log-level` changes it on the live daemon")
    format: str = setting("auto", "auto is text on a terminal and JSON otherwise; or text, or json")
    file: str = setting(
        "", "also write here, rotated at 10 MiB; a background mount has STATE_DIR/mountd.log", unit=Unit.PATH
    )
    burst: int = setting(
        20, "records of one message per minute before the rest are only counted: an outage cannot fill the disk"
    )


class _Concealer:
    """The secret values in use. Mutable state: `_values`, replaced whole."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()

    def add(self, value: str) -> None:
        """Values under 8 characters are left out: they would star ordinary words."""
        spellings = {value, quote(value, safe=""), quote(value), unquote(value)}
        self._values |= {spelling for spelling in spellings if len(spelling) >= 8}

    def clean(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, _STARS)
        return _SHAPES.sub(lambda match: match["name"] + _STARS, text)


_concealer = _Concealer()


def conceal(value: str) -> None:
    """From now on no log line shows this value, plain or URL-encoded."""
    _concealer.add(value)


class TextFormatter(logging.Formatter):
    """For people: time, level, room, sentence, and what `extra=` carries in brackets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return _concealer.clean(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{name}={value}" for name, value in record.__dict__.items() if name not in _PLAIN_FIELDS)
        return super().formatMessage(record) + (f" [{extra}]" if extra else "")


class JsonFormatter(logging.Formatter):
    """For collectors: what `extra=` carries becomes fields beside time, level, logger, message and exception."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields.update((name, value) for name, value in record.__dict__.items() if name not in _PLAIN_FIELDS)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: _cleaned(value) for name, value in fields.items()}, ensure_ascii=False)


def _cleaned(value: object) -> object:
    return value if isinstance(value, int | float | None) else _concealer.clean(str(value))


class RateLimit(logging.Filter):
    """At most `burst` records a minute of one message (its template, so that arguments do not make it new).

    Mutable state: `_windows`, message → [window's start, records seen], bounded. What was held back is said once with the
    first record of the next minute.
    """

    window = 60.0

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._burst = burst
        self._clock = clock
        self._windows: LRUCache[tuple[str, str], list[float]] = LRUCache(maxsize=1024)

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        now = self._clock()
        window = self._windows.get(key)
        if window is None or now - window[0] >= self.window:
            held_back = int(window[1]) - self._burst if window else 0
            self._windows[key] = [now, 1]
            if held_back > 0:
                record.msg = f"{record.getMessage()} ({held_back} more like this were held back)"
                record.args = ()
            return True
        window[1] += 1
        if window[1] <= self._burst:
            return True
        LOG_SUPPRESSED.inc()
        return False


class Outlet(logging.Handler):
    """The process's one handler: each record is counted once, by one thread at a time, and then goes to every place."""

    def __init__(self, limit: RateLimit, places: Sequence[logging.Handler]) -> None:
        super().__init__()
        self._limit = limit
        self.places = places

    def emit(self, record: logging.LogRecord) -> None:
        if self._limit.filter(record):
            for place in self.places:
                place.handle(record)

    def close(self) -> None:
        for place in self.places:
            place.close()
        super().close()


class PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotated log that is its owner's alone, each new file of it."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return TextIOWrapper(open(descriptor, "ab"), encoding="utf-8")


def configure(config: LoggingConfig, stream: TextIO | None = None, *, file_only: bool = False) -> None:
    """Sends all records of the process to `stream` (standard error) and, where configured, a file; or to the file alone."""
    stream = stream or sys.stderr
    text = config.format == "text" or (config.format == "auto" and stream.isatty())
    places: list[logging.Handler] = []
    if not file_only:
        places.append(logging.StreamHandler(stream))
        places[0].setFormatter(TextFormatter() if text else JsonFormatter())
    if config.file:
        places.append(_file_handler(config.file))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(Outlet(RateLimit(config.burst), places))
    root.setLevel(config.level.upper())
    # These say every request at INFO, signed URLs included.
    for chatty in ("azure", "urllib3", "msal"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _file_handler(path: str) -> logging.Handler:
    try:
        handler = PrivateFile(path, maxBytes=10 << 20, backupCount=3, encoding="utf-8")
    except OSError as error:
        raise ConfigurationInvalid([f"logging.file: {path} cannot be written: {error.strerror}."]) from error
    handler.setFormatter(JsonFormatter())
    return handler
