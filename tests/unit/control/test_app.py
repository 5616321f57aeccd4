"""The application: who may ask what, one error shape, no secret anywhere but in the one answer that holds one."""

import json
import logging

import pytest

from mountd import errors, metrics
from mountd.control.failures import ANSWERS, failure_of, status_of
from tests.unit.control.served import (
    BLOB,
    GROUP_PEER,
    KEY,
    OTHER_KEY,
    OTHER_PEER,
    OWNER_PEER,
    ROOT_PEER,
    SAS,
    house,
)

READER_ROUTES = {"/v1/status", "/v1/health", "/v1/ready", "/metrics"}
SECRET_ROUTE = ("GET", "/v1/datastores/{name}/credential")


def every_error():
    waiting = [errors.MountdError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting.extend(kind.__subclasses__())


def raised(kind):
    return kind(["a: b"]) if kind is errors.ConfigurationInvalid else kind("It failed.")


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=lambda kind: kind.__name__))
def test_every_error_leaves_with_a_code_a_sentence_and_what_to_do(kind):
    assert kind in ANSWERS
    failure = failure_of(raised(kind))
    assert failure.code
    assert failure.message
    assert failure.remedy
    assert 400 <= status_of(raised(kind)) < 600


def test_codes_are_distinct():
    kinds = set(every_error())
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_a_foreign_exception_tells_nothing_of_itself():
    failure = failure_of(ValueError(f"bad {KEY}"))
    assert failure.code == "internal"
    assert KEY not in failure.message + failure.remedy


def operations(schema):
    for path, methods in schema["paths"].items():
        for method in methods:
            yield method.upper(), path


async def test_the_socket_says_who_may_do_what(tmp_path):
    """root and owner: all. The socket's group: all but the credential. Others: nothing, or status where that is allowed."""
    async with house(tmp_path) as closed:
        schema = (await closed.ask("GET", "/openapi.json")).json
        for method, path in operations(schema):
            refused = await closed.ask(method, path, {}, peer=OTHER_PEER)
            assert (refused.status, refused.json["code"]) == (403, "role_refused"), (method, path)
            nobody = await closed.ask(method, path, {}, peer=None)
            assert nobody.status == 403, (method, path)
            if (method, path) == SECRET_ROUTE:
                assert (await closed.ask(method, path, peer=GROUP_PEER)).status == 403


async def test_others_see_status_only_where_the_configuration_lets_them(tmp_path):
    async with house(tmp_path, status_for_others=True) as open_house:
        schema = (await open_house.ask("GET", "/openapi.json")).json
        for method, path in operations(schema):
            answer = await open_house.ask(method, path, {}, peer=OTHER_PEER)
            assert (answer.status == 200) == (path in READER_ROUTES), (method, path)


async def test_a_validation_error_never_repeats_what_was_sent(tmp_path):
    async with house(tmp_path) as asked:
        for body in (
            {"name": "x", "credential": {"account_key": [KEY]}},
            {"name": "x", "credential": {"acount_key": KEY}},
            {"name": "x", "credential": KEY},
            f'{{"name": "{KEY}"'.encode(),
        ):
            answer = await asked.ask("POST", "/v1/datastores", body)
            assert answer.status == 400
            assert answer.json["code"] == "bad_request"
            assert answer.json["remedy"]
            assert KEY.encode() not in answer.body


async def test_a_misspelt_field_is_refused_and_named(tmp_path):
    async with house(tmp_path) as asked:
        answer = await asked.ask("POST", "/v1/mappings", {"path": "/x", "datastore": "y", "prefx": "z"})
        assert answer.status == 400
        assert "prefx" in answer.json["message"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing"), ("DELETE", "/v1/status"), ("GET", "/")])
async def test_what_there_is_not_has_the_same_shape(tmp_path, method, path):
    async with house(tmp_path) as asked:
        answer = await asked.ask(method, path)
        assert answer.status in (404, 405)
        assert set(answer.json) == {"code", "message", "remedy", "request_id"}
        assert path in answer.json["message"]


async def test_a_bug_is_logged_once_counted_and_answered_internal(tmp_path, caplog, monkeypatch):
    async with house(tmp_path) as asked:

        def broken():
            raise RuntimeError(f"holding {KEY}")

        monkeypatch.setattr(asked.workspace, "status", broken)
        before = metrics.BUGS.labels("control")._value.get()
        answer = await asked.ask("GET", "/v1/status")
        assert (answer.status, answer.json["code"]) == (500, "internal")
        assert KEY.encode() not in answer.body
        assert metrics.BUGS.labels("control")._value.get() == before + 1
        assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_a_secret_leaves_by_one_answer_only_and_never_reaches_the_log(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with house(tmp_path) as asked:
        await asked.register("keyed", **BLOB)
        await asked.register("signed", **BLOB | {"credential": {"sas_token": SAS}})
        await asked.ask("PUT", "/v1/datastores/keyed/credential", {"account_key": OTHER_KEY})
        schema = (await asked.ask("GET", "/openapi.json")).json
        seen = json.dumps(schema)
        for method, path in operations(schema):
            if method == "GET" and "{task_id}" not in path and path not in ("/v1/events", SECRET_ROUTE[1]):
                seen += (await asked.ask("GET", path.format(name="keyed") + "?path=/")).body.decode()
        seen += "".join(repr(event) for event in asked.workspace.events.recent())
        seen += caplog.text
        for secret in (KEY, OTHER_KEY, SAS, "topsecretsignature"):
            assert secret not in seen
        for peer in (OWNER_PEER, ROOT_PEER):
            answer = await asked.ask("GET", "/v1/datastores/keyed/credential", peer=peer)
            assert answer.json["credential"]["account_key"] == OTHER_KEY
            assert answer.headers["cache-control"] == "no-store"
        assert OTHER_KEY not in caplog.text


async def test_ready_follows_the_mount(tmp_path):
    async with house(tmp_path, mountpoint="/mnt/here") as asked:
        before = await asked.ask("GET", "/v1/ready")
        assert (before.status, before.json["ready"]) == (503, False)
        assert "/mnt/here" in before.json["reason"]
        asked.workspace.host.mark_mounted()
        assert (await asked.ask("GET", "/v1/ready")).status == 200
        await asked.ask("POST", "/v1/stop")
        assert (await asked.ask("GET", "/v1/ready")).status == 503


async def test_metrics_are_prometheus_text(tmp_path):
    async with house(tmp_path) as asked:
        answer = await asked.ask("GET", "/metrics")
        assert b"mountd_store_requests" in answer.body
        assert answer.headers["content-type"].startswith("text/plain")


async def test_the_log_level_is_shown_and_set(tmp_path):
    logger = logging.getLogger("mountd")
    before = logger.level
    try:
        async with house(tmp_path) as asked:
            assert (await asked.ask("PUT", "/v1/log-level", {"level": "debug"})).json == {"level": "debug"}
            assert logger.level == logging.DEBUG
            assert (await asked.ask("GET", "/v1/log-level")).json == {"level": "debug"}
            refused = await asked.ask("PUT", "/v1/log-level", {"level": "loud"})
            assert refused.json["code"] == "bad_request"
    finally:
        logger.setLevel(before)
