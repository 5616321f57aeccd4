"""What leaves the daemon as log lines: bounded, parseable, without secrets."""

import io
import json
import logging
import threading
import time
from urllib.parse import quote

import pytest

from mountd import logs
from mountd.errors import ConfigurationInvalid


@pytest.fixture
def written(monkeypatch):
    """Configures logging to a buffer; gives a function that answers what was written."""
    monkeypatch.setattr(logs, "_concealer", logs._Concealer())
    stream = io.StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level

    def start(**settings):
        logs.configure(logs.LoggingConfig(**settings), stream)
        return stream.getvalue

    yield start
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in before[0]:
        root.addHandler(handler)
    root.setLevel(before[1])


def test_json_lines_carry_extra_fields(written):
    text = written(format="json")
    logging.getLogger("mountd.test").warning("read of %s failed", "k", extra={"request_id": "abc-1", "attempt": 2})
    record = json.loads(text())
    assert record["message"] == "read of k failed"
    assert record["level"] == "warning"
    assert record["request_id"] == "abc-1"
    assert record["attempt"] == 2


def test_auto_is_json_where_nobody_watches(written):
    text = written()
    logging.getLogger("mountd.test").error("hello")
    assert json.loads(text())["message"] == "hello"


@pytest.mark.parametrize("form", ["json", "text"])
def test_concealed_values_are_starred_in_any_spelling(written, form):
    text = written(format=form)
    secret = "pa+ss/wo=rd" + '"quoted\\'
    logs.conceal(secret)
    log = logging.getLogger("mountd.test")
    log.warning("plain %s", secret)
    log.warning("encoded %s", quote(secret, safe=""))
    log.warning("extra", extra={"url": f"https://h/?x={quote(secret, safe='')}"})
    try:
        raise ValueError(secret)
    except ValueError as cause:
        try:
            raise KeyError("outer") from cause
        except KeyError:
            log.exception("chained")
    assert "pa+ss/wo" not in text()
    assert quote(secret, safe="") not in text()
    assert text().count("***") >= 4


@pytest.mark.parametrize(
    "line",
    [
        "GET https://a.blob.core.windows.net/c?sv=2024&sig=AbCd%2BEf%3D&se=2026",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=AbCd+Ef=;EndpointSuffix=x",
        "Authorization: SharedKey devstoreaccount1:AbCd+Ef=",
        "Authorization: Bearer AbCd.Ef.Gh",
        "client_secret=AbCd~Ef&scope=x",
    ],
)
def test_shapes_of_secrets_are_starred_unseen(written, line):
    text = written(format="text")
    logging.getLogger("mountd.test").warning(line)
    assert "AbCd" not in text()
    assert "***" in text()


def test_one_message_is_limited_and_the_rest_counted(monkeypatch):
    now = [0.0]
    limit = logs.RateLimit(3, clock=lambda: now[0])

    def record(message, *args):
        return logging.LogRecord("mountd.x", logging.WARNING, "f", 1, message, args, None)

    passed = [limit.filter(record("datastore %s is down", index)) for index in range(10)]
    assert passed == [True] * 3 + [False] * 7
    assert limit.filter(record("another message"))
    now[0] = 61.0
    late = record("datastore %s is down", 10)
    assert limit.filter(late)
    assert late.getMessage() == "datastore 10 is down (7 more like this were held back)"


def test_log_file_is_private(written, tmp_path):
    written(file=str(tmp_path / "mountd.log"))
    logging.getLogger("mountd.test").warning("to the file")
    assert (tmp_path / "mountd.log").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "mountd.log").read_text())["message"] == "to the file"


def test_a_log_file_stays_private_when_it_is_rotated(written, tmp_path):
    written(file=str(tmp_path / "mountd.log"))
    to_file = logging.getLogger().handlers[0].places[-1]
    to_file.doRollover()
    logging.getLogger("mountd.test").warning("into the next file")
    assert [f.stat().st_mode & 0o777 for f in sorted(tmp_path.iterdir())] == [0o600, 0o600]


def test_a_record_counts_once_however_many_places_it_goes_to(written, tmp_path):
    text = written(format="text", file=str(tmp_path / "mountd.log"), burst=4)
    for number in range(6):
        logging.getLogger("mountd.test").warning("again %d", number)
    assert text().count("again") == 4
    assert (tmp_path / "mountd.log").read_text().count("again") == 4


def test_records_of_many_threads_are_limited_one_at_a_time(written, monkeypatch):
    """The cache behind the limit is no one's that two threads may use at once."""
    written(format="text")
    inside, most = [], []
    passed = logs.RateLimit.filter

    def watched(self, record):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.001)
        inside.pop()
        return passed(self, record)

    monkeypatch.setattr(logs.RateLimit, "filter", watched)
    log = logging.getLogger("mountd.test")
    threads = [threading.Thread(target=lambda: [log.warning("again") for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (40, 1)


def test_a_log_file_that_cannot_be_is_said_by_its_key(written, tmp_path):
    with pytest.raises(
        ConfigurationInvalid, match=r"logging\.file: .*/missing/mountd\.log cannot be written: No such file"
    ):
        written(file=str(tmp_path / "missing" / "mountd.log"))
