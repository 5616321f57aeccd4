"""config.example.yaml and docs/CONFIGURATION.md, made from the settings themselves: what is read is what is documented."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from mountd.config.configuration import ABOUT, SECTIONS, Configuration
from mountd.config.datastores import ADDRESS, SOURCES
from mountd.config.mappings import OPTIONS, PRESETS
from mountd.config.sections import Setting, settings_of
from mountd.config.values import shown
from mountd.registry.arguments import CREDENTIAL_ARGUMENTS, SECRET_ARGUMENTS

_WIDTH = 118
_CLOUD = "azure_blob"

_EXAMPLE_HEAD = """\
Every key of mountd's configuration, with its default and why. All but mountpoint can be left out.
Made by `python -m mountd.config --example`; `mountd check FILE` says all that is wrong with a file at once.
Sizes: 4096, 64KiB, 2GiB. Durations: 0.5, 10s, 5m, 2h, 7d. Modes: octal, "0644"."""

_DOCUMENT_HEAD = """\
# Configuration

Made by `python -m mountd.config --markdown` from the settings themselves; a test keeps it current. `config.example.yaml` is
the same as a file to start from, and `mountd check FILE` says everything that is wrong with a file at once, with line and key.

A file needs only `mountpoint`. Sizes are written `4096`, `64KiB` or `2GiB`; durations `0.5` (seconds), `10s`, `5m`, `2h` or `7d`;
modes in octal, `"0644"`; paths absolutely. YAML's anchors and merge keys work; a key that is there twice is an error.

`mountd mount SOURCE MOUNTPOINT -o …` takes every option of a mapping and every key of `mount` under the same name, and
`ro`, `rw`, `allow_other`, `uid=`, … as mount(8) knows them.
"""

_SECRETS = """\
A secret is given in one of these ways, so that it need not stand in the file. Standing there itself it is accepted, with a
warning if others can read the file.
"""

_SAMPLES = {
    "account": "myaccount",
    "container": "images",
    "endpoint_suffix": "core.windows.net",
    "endpoint": "https://myaccount.privatelink.example",
    "allow_http": "false",
    "folder": "/data/images",
    "note": "training images",
    "kind": "blob",
    "method": "managed_identity",
    "tenant_id": "00000000-0000-0000-0000-000000000000",
    "client_id": "00000000-0000-0000-0000-000000000000",
    "token_file": "/var/run/secrets/azure/tokens/azure-identity-token",
    "authority_url": "https://login.microsoftonline.com",
}


def example() -> str:
    """config.example.yaml: a valid file that says the defaults; what needs names of its owner's is commented out."""
    lines = [*_comment(_EXAMPLE_HEAD.splitlines()), ""]
    for setting in settings_of(Configuration).values():
        sample = "/mnt/data" if setting.name == "mountpoint" else setting.shown
        lines += [*_wrapped(setting.why, ""), f"{setting.name}: {sample}"]
    for section, about in ABOUT.items():
        lines += ["", *_wrapped(about, "")]
        lines += list(_section_example(section))
    return "\n".join(lines) + "\n"


def _section_example(section: str) -> Iterator[str]:
    if section in SECTIONS:
        yield f"{section}:"
        yield from _settings_example(settings_of(SECTIONS[section]).values(), "  ")
    elif section == "mapping_defaults":
        yield f"{section}:"
        yield from _settings_example((each for each in OPTIONS.values() if each.name != "preset"), "  ")
    elif section == "storage":
        yield from _comment(["storage:", "  account: myaccount", "  container: workspace", "  method: default_chain"])
    elif section == "datastores":
        yield from _comment(["datastores:", "  images:", *_datastore_example("    ")])
    elif section == "presets":
        yield from _comment(["presets:", "  scratch:", "    freshness: close-to-open", "    cache_share: 0.1"])
        yield from _wrapped("Built in: " + "; ".join(f"{name} ({preset.why})" for name, preset in PRESETS.items()), "")
    elif section == "mappings":
        lines = [
            "mappings:",
            "  /train/images:",
            "    datastore: images",
            "    prefix: 2024/train/",
            "    preset: dataset",
        ]
        yield from _comment(lines)


def _datastore_example(indent: str) -> Iterator[str]:
    """Every key once; those that exclude each other are commented a second time."""
    for name, why in (*ADDRESS.items(), *CREDENTIAL_ARGUMENTS.items()):
        value = _SAMPLES.get(name) or "{file: /etc/mountd/images." + name + "}"
        used = name in ("kind", "account", "container", "account_key")
        yield f"{indent}{'' if used else '# '}{name}: {value}  # {why}"


def _settings_example(settings: Iterable[Setting], indent: str) -> Iterator[str]:
    for setting in settings:
        yield from _wrapped(setting.why, indent)
        fixed = setting.shown == shown(setting.default, setting.unit)
        yield f"{indent}{setting.name}: {setting.shown}" if fixed else f"{indent}# {setting.name}: ({setting.shown})"


def _wrapped(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent) - 2, break_on_hyphens=False)]


def _comment(lines: Iterable[str]) -> Iterator[str]:
    return (f"# {line}".rstrip() for line in lines)


# The document --------------------------------------------------------------------------------------------------------


def markdown() -> str:
    """docs/CONFIGURATION.md."""
    parts = [_DOCUMENT_HEAD, "## Top of the file", _settings_table(settings_of(Configuration).values())]
    for section, about in ABOUT.items():
        parts += [f"## `{section}`", about[0].upper() + about[1:] + ".", *_section_parts(section)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _section_parts(section: str) -> Iterator[str]:
    if section in SECTIONS:
        yield _settings_table(settings_of(SECTIONS[section]).values())
    elif section == "datastores":
        yield from _datastore_parts()
    elif section == "storage":
        yield "The keys of a datastore but `kind`, `folder` and `note`."
    elif section == "mapping_defaults":
        yield _settings_table(OPTIONS.values())
    elif section == "presets":
        rows = ((f"`{name}`", preset.why, _said(preset.options)) for name, preset in PRESETS.items())
        yield "These are built in; a file adds its own under other names, with any option of a mapping."
        yield _table(("preset", "for", "options"), rows)
    elif section == "mappings":
        yield _table(
            ("key", "what"),
            (
                ("`datastore`", "which one; it may be registered later, and the path appears then"),
                ("`prefix`", "the folder of it that is shown; empty: all of it"),
                ("every option of `mapping_defaults`", "for this mapping alone"),
            ),
        )


def _datastore_parts() -> Iterator[str]:
    yield _table(("key", "what"), ((f"`{name}`", why) for name, why in ADDRESS.items()))
    yield "How to sign in: one way, or two of these together are refused. None at all is anonymous."
    rows = (
        (f"`{name}`" + (" (secret)" if name in SECRET_ARGUMENTS else ""), why)
        for name, why in CREDENTIAL_ARGUMENTS.items()
    )
    yield _table(("key", "what"), rows)
    yield _SECRETS
    yield _table(("secret", "where it is read"), ((f"`{{{name}: …}}`", why) for name, why in SOURCES.items()))


def _said(options: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}: {shown(value, OPTIONS[name].unit)}`" for name, value in options.items())


def _settings_table(settings: Iterable[Setting]) -> str:
    rows = ((f"`{each.name}`", each.described, f"`{each.shown}`", each.why) for each in settings)
    return _table(("key", "value", "default", "why"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
