"""mountctl datastore …"""

import argparse
import sys

from mountd import api
from mountd.cli.ctl import secrets
from mountd.cli.ctl.exits import FAILURE
from mountd.cli.ctl.output import Output, moment, yes
from mountd.sdk.client import Client


def show_all(client: Client, options: argparse.Namespace, output: Output) -> None:
    datastores = client.datastores()
    if output.json_wanted:
        output.data(datastores)
        return
    rows(datastores, output)
    warn(datastores)


def rows(datastores: list[api.Datastore], output: Output) -> None:
    columns = ("name", "default", "state", "kind", "storage", "credential", "from", "shown at")
    table = (
        (
            each.name,
            yes(each.default),
            each.state,
            each.kind,
            storage(each),
            each.credential,
            each.origin,
            " ".join(each.paths),
        )
        for each in datastores
    )
    output.table(columns, table, empty="No datastore is registered.")


def show(client: Client, options: argparse.Namespace, output: Output) -> None:
    found = client.datastore(options.name)
    if output.json_wanted:
        output.data(found)
        return
    output.facts(
        (
            ("name", found.name),
            ("default", yes(found.default)),
            ("kind", found.kind),
            ("storage", storage(found)),
            ("credential", found.credential),
            ("defined by", found.origin),
            ("note", found.note),
            ("shown at", " ".join(found.paths)),
            ("state", f"{found.state} since {moment(found.since_ns)}" if found.since_ns else found.state),
            ("last success", moment(found.last_success_ns)),
            ("last error", f"{moment(found.last_error_ns)} {told(found.last_error)}".strip()),
            ("asked again", moment(found.retry_at_ns)),
            (
                "in flight",
                f"{found.in_flight} of {found.in_flight_limit}" if found.in_flight_limit else found.in_flight,
            ),
        )
    )
    warn([found])


def register(client: Client, options: argparse.Namespace, output: Output) -> None:
    words = api.RegisterDatastore(
        name=options.name,
        kind=options.kind,
        account=options.account,
        container=options.container,
        endpoint=options.endpoint,
        endpoint_suffix=options.endpoint_suffix,
        allow_http=options.allow_http,
        folder=options.folder,
        credential=_credential(options),
        note=options.note,
        overwrite=options.overwrite,
        create_if_not_exists=options.create_if_not_exists,
        skip_validation=options.skip_validation,
    )
    found = client.register(words)
    output.say(f"{found.name} is registered: {storage(found)}, shown at {' '.join(found.paths) or 'no path'}.", found)
    warn([found])


def unregister(client: Client, options: argparse.Namespace, output: Output) -> None:
    client.unregister(options.name, force=options.force)
    output.say(f"{options.name} is unregistered; its storage was not touched.")


def default(client: Client, options: argparse.Namespace, output: Output) -> int | None:
    if options.name:
        client.set_default(options.name)
    name = client.default()
    output.say(name or "No datastore is the default.", api.DefaultDatastore(name))
    return None if name else FAILURE


def rotate(client: Client, options: argparse.Namespace, output: Output) -> None:
    found = client.rotate(options.name, _credential(options), skip_validation=options.skip_validation)
    output.say(f"{found.name} has a new credential ({found.credential}).", found)
    warn([found])


def doctor(client: Client, options: argparse.Namespace, output: Output) -> int | None:
    found = client.diagnose(options.name, most_keys=options.most_keys)
    if output.json_wanted:
        output.data(found)
    else:
        output.say(f"{found.datastore}: " + (told(found.problem) if found.problem else "the storage answers."))
        for warning in found.warnings:
            output.say(f"warning: {warning}")
        seen = f"{found.keys_seen:,} keys" + ("" if found.complete else ", not all there are")
        output.say(f"{len(found.awkward)} awkward keys among {seen}.")
        output.table(("key", "shown as", "why"), ((repr(key.key), key.path, key.reason) for key in found.awkward))
    return None if found.reachable else FAILURE


def storage(datastore: api.Datastore) -> str:
    """Where it is, in a word."""
    if datastore.kind == "local":
        return datastore.folder
    if datastore.kind == "memory":
        return "memory"
    endpoint = datastore.endpoint or f"https://{datastore.account}.blob.{datastore.endpoint_suffix}"
    return f"{endpoint}/{datastore.container}"


def told(failure: api.Failure | None) -> str:
    if failure is None:
        return ""
    request = f" (request {failure.request_id})" if failure.request_id else ""
    return f"{failure.message} {failure.remedy}".strip() + request


def warn(datastores: list[api.Datastore]) -> None:
    for each in datastores:
        for warning in each.warnings:
            print(f"warning: {warning}", file=sys.stderr)


def _credential(options: argparse.Namespace) -> api.CredentialWords:
    return api.CredentialWords(
        method=options.method or "",
        tenant_id=options.tenant_id,
        client_id=options.client_id,
        token_file=options.token_file,
        authority_url=options.authority_url,
        **secrets.read(options),
    )
