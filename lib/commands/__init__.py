"""Commands of ``run_all.py``, one module each.

The first line of a command's docstring is its help text. A command has two functions::

    def add_arguments(parser): ...
    def execute(options): ...        # returns the exit code

``run_all.py NAME ...`` runs the command of that name; without a name, the default is ``run``. Commands import heavy
packages inside functions, so that ``--help`` and error messages appear without delay.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

from lib import catalogue, storage_errors, terminal
from lib.errors import MillraceError, suggest
from lib.invocation import PROGRAM, version
from lib.secrets import known_values
from lib.secrets.masked_errors import masked_errors

EXIT_CODES = {
    0: "success: every requested stage finished",
    1: "a stage failed, or verify, history or replay found a change; the message says where",
    2: "an input cannot be used (parameter, file, column, option); the message says what to change",
    3: "a gate blocked: everything worked, but no model version may go to production; or monitor says act",
    4: "monitor has too few rows to say",
    5: "simulate: the system did not react as promised; the report says how",
    130: "interrupted by Ctrl-C or SIGTERM; no process is left behind",
}
_DEFAULT = "run"
_INTERRUPTED = 130


def available() -> list[str]:
    """Return the names of all commands."""
    return catalogue.names(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; by default that of this process.

    Returns
    -------
    int
        Exit code, see `EXIT_CODES`.
    """
    terminal.protect_standard_streams()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with storage_errors.explained(), masked_errors():
            return _execute(arguments)
    except MillraceError as error:
        print(f"{PROGRAM}: {known_values.mask(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted.", file=sys.stderr)
        return _INTERRUPTED


def _execute(arguments: list[str]) -> int:
    """Parse the arguments of a command and execute it."""
    import argparse

    from lib.commands._arguments import ArgumentParser

    has_name = bool(arguments) and arguments[0] in available()
    name = arguments.pop(0) if has_name else _DEFAULT
    command = catalogue.load(__name__, name, kind="command")
    parser = ArgumentParser(
        prog=f"{PROGRAM} {name}" if has_name else PROGRAM,
        description=_help_text(command),
        epilog=_epilog() if name == _DEFAULT else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    if not has_name:
        parser.add_argument(
            "--version", action="version", version=f"Millrace {version()}", help="print the version and exit"
        )
        if arguments and not arguments[0].startswith("-"):
            parser.error(f"there is no command {arguments[0]!r}. {suggest(arguments[0], available())}")
    return command.execute(parser.parse_command(arguments))


def _epilog() -> str:
    """Return the part of ``--help`` that lists the other commands and the exit codes."""
    names = [name for name in available() if name != _DEFAULT]
    width = max(map(len, names))
    commands = [f"  {name:<{width}}  {_help_text(catalogue.load(__name__, name, 'command'))}" for name in names]
    codes = [f"  {code:<{width}}  {meaning}" for code, meaning in EXIT_CODES.items()]
    return "\n".join([f"commands ({PROGRAM} COMMAND --help):", *commands, "", "exit codes:", *codes])


def _help_text(command: ModuleType) -> str:
    """Return the first line of a command's docstring."""
    return (command.__doc__ or "").splitlines()[0]
