"""mountctl mapping …"""

import argparse

from mountd import api
from mountd.cli.ctl.output import Output
from mountd.sdk.client import Client


def show_all(client: Client, options: argparse.Namespace, output: Output) -> None:
    mappings = client.mappings()
    if output.json_wanted:
        output.data(mappings)
        return
    rows(mappings, output)


def rows(mappings: list[api.MappedPath], output: Output) -> None:
    table = (
        (
            each.path,
            f"{each.datastore}/{each.prefix}",
            "ro" if each.read_only else "rw",
            f"ttl {each.ttl:g} s" if each.freshness == "ttl" else each.freshness,
            "the datastore" if each.automatic else each.origin,
        )
        for each in mappings
    )
    output.table(("path", "shows", "access", "freshness", "from"), table, empty="Nothing is mapped.")


def add(client: Client, options: argparse.Namespace, output: Output) -> None:
    datastore, _, prefix = options.source.partition("/")
    words = api.AddMapping(
        path=options.path,
        datastore=datastore,
        prefix=prefix,
        read_only=options.read_only,
        uid=options.uid,
        gid=options.gid,
        file_mode=options.file_mode,
        dir_mode=options.dir_mode,
        umask=options.umask,
        freshness=options.freshness,
        ttl=options.ttl,
        prefetch=options.prefetch,
        cache_share=options.cache_share,
        preset=options.preset,
    )
    added = client.add_mapping(words)
    output.say(f"{added.path} shows {added.datastore}/{added.prefix}.", added)


def remove(client: Client, options: argparse.Namespace, output: Output) -> None:
    client.remove_mapping(options.path)
    output.say(f"The mapping at {options.path} is removed.")
