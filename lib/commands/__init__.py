"""Commands of ``run_all.py``: one file each, and this folder is their catalogue.

A command is a module here whose docstring's first line is its help, with two functions::

    def add_arguments(parser): ...
    def execute(options): ...        # returns the exit code

``run_all.py <command> ...`` calls it; without the name of one, ``run`` is meant. It imports what is heavy only where it
needs it, so that whoever asks for help or makes a mistake does not wait.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lib import catalogue
from lib.errors import MillraceError

EXIT_CODES = {
    0: "done: every stage that was asked for went through",
    1: "a stage failed: the message names the executed notebook and the cell",
    2: "something you gave cannot be used: a parameter, a file, a column; the message says what to change",
    3: "a gate held: everything worked, and no version is fit for production",
    130: "interrupted by Ctrl-C or SIGTERM; no process is left behind",
}
_DEFAULT = "run"


def available() -> list[str]:
    """Names of the commands there are."""
    return catalogue.names(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of the process.

    Returns
    -------
    int
        Exit code; `EXIT_CODES` says what each means.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    named = arguments[:1] and arguments[0] in available()
    name = arguments.pop(0) if named else _DEFAULT
    command = catalogue.load(__name__, name, kind="command")
    parser = argparse.ArgumentParser(
        prog=f"run_all.py {name}" if named else "run_all.py",
        description=_help(command),
        epilog=_epilog() if name == _DEFAULT else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    try:
        return command.execute(parser.parse_args(arguments))
    except MillraceError as error:
        print(f"run_all.py: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("run_all.py: interrupted.", file=sys.stderr)
        return 130


def _epilog() -> str:
    """What else there is: the other commands, and the exit codes."""
    others = [name for name in available() if name != _DEFAULT]
    width = max(map(len, others))
    commands = [f"  {name:<{width}}  {_help(catalogue.load(__name__, name, 'command'))}" for name in others]
    codes = [f"  {code:<{width}}  {meaning}" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["commands (run_all.py COMMAND --help):", *commands, "", "exit codes:", *codes])


def _help(command: object) -> str:
    return (command.__doc__ or "").splitlines()[0]
