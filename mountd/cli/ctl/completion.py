"""Shell completion. The shells ask mountctl itself (`mountctl __complete WORD…`), so that what they offer is the grammar
that is parsed, and the names of datastores are those of the daemon that runs.
"""

import argparse
from collections.abc import Iterator

from mountd.cli.ctl.arguments import parser
from mountd.cli.ctl.output import Output
from mountd.errors import MountdError
from mountd.sdk.client import Client

NAMES_WITHIN_SECONDS = 1.0

SCRIPTS = {
    "bash": """_mountctl() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$(mountctl __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _mountctl mountctl
""",
    "zsh": """#compdef mountctl
_mountctl() {
    local -a offered
    offered=(${(f)"$(mountctl __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    (( $#offered )) && compadd -a offered || _files
}
compdef _mountctl mountctl
""",
    "fish": """complete -c mountctl -a '(mountctl __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
}


def script(client: Client, options: argparse.Namespace, output: Output) -> None:
    print(SCRIPTS[options.shell], end="")


def complete(words: list[str]) -> int:
    """Prints what the last word may become, one a line."""
    *before, current = words or [""]
    for word in sorted(set(offers(parser(), before, current))):
        print(word)
    return 0


def offers(top: argparse.ArgumentParser, before: list[str], current: str) -> Iterator[str]:
    here, given, expecting = _walk(top, before)
    if expecting is not None:
        candidates = list(map(str, expecting.choices or ()))
    elif current.startswith("-"):
        options = (action for action in here._actions if action.option_strings and action.help != argparse.SUPPRESS)
        candidates = [option for action in options for option in action.option_strings if option.startswith("--")]
    else:
        candidates = _positional(here, given, before)
    return (candidate for candidate in candidates if candidate.startswith(current))


def _walk(
    top: argparse.ArgumentParser, words: list[str]
) -> tuple[argparse.ArgumentParser, int, argparse.Action | None]:
    """The parser that the words lead to, how many positionals it was given, and the option whose value comes next."""
    here, given, expecting = top, 0, None
    for word in words:
        if expecting is not None:
            expecting = None
        elif word.startswith("-"):
            action = here._option_string_actions.get(word)
            expecting = action if action is not None and action.nargs != 0 else None
        elif (commands := _commands(here)) is not None and word in commands:
            here, given = commands[word], 0
        else:
            given += 1
    return here, given, expecting


def _positional(here: argparse.ArgumentParser, given: int, before: list[str]) -> list[str]:
    commands = _commands(here)
    if commands is not None:
        return list(commands)
    positionals = [action for action in here._actions if not action.option_strings]
    if given >= len(positionals):
        return []
    action = positionals[given]
    if action.metavar in ("DATASTORE", "DATASTORE[/PREFIX]"):
        return _datastores(before)
    return list(map(str, action.choices or ()))


def _commands(here: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser] | None:
    for action in here._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return None


def _datastores(before: list[str]) -> list[str]:
    socket = before[before.index("--socket") + 1] if "--socket" in before[:-1] else None
    try:
        return [datastore.name for datastore in Client(socket, timeout=NAMES_WITHIN_SECONDS).datastores()]
    except MountdError:
        return []  # a shell has no place to show why: it offers nothing
