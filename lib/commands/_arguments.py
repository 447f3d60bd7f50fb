"""Arguments that the commands share: parameter files, single parameters, and what to say about a misspelt option."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Collection, Sequence
from typing import NoReturn

from lib.errors import suggest
from lib.parameters import Layers, Parameters, check, load
from lib.paths import ROOT, display_path

EXAMPLE = ROOT / "parameters" / "flights.yaml"


class ArgumentParser(argparse.ArgumentParser):
    """A parser that suggests the nearest option for an unknown one."""

    def parse_command(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse a command's arguments; an unknown one ends the program with exit code 2."""
        options, unknown = self.parse_known_args(arguments)
        if unknown and not unknown[0].startswith("-"):
            # argparse takes an optional positional argument only next to the other ones: contract import x --format y.
            options, unknown = self.parse_known_intermixed_args(arguments)
        if unknown:
            self.refuse(unknown[0])
        return options

    def refuse(self, argument: str) -> NoReturn:
        """End the program with exit code 2 and a message about an unknown argument."""
        if not argument.startswith("-"):
            self.error(f"unexpected argument {argument!r}. A command comes first: run_all.py COMMAND OPTIONS.")
        option = argument.partition("=")[0]
        known = [name for action in self._actions for name in action.option_strings]
        nearest = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
        suggestion = f" Did you mean {nearest[0]}?" if nearest else ""
        self.error(f"unknown option {option}.{suggestion} --help lists all options.")


def one_of(kind: str, names: Collection[str]) -> Callable[[str], str]:
    """Return a converter for `add_argument` that accepts known names only and suggests the nearest.

    Parameters
    ----------
    kind : str
        What a name stands for, such as ``"action"``.
    names : collection of str
        The known names.
    """

    def convert(name: str) -> str:
        if name not in names:
            raise argparse.ArgumentTypeError(f"there is no {kind} {name!r}. {suggest(name, names)}")
        return name

    return convert


def add_parameter_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--params`` and ``-p`` to a command."""
    parser.add_argument(
        "--params",
        nargs="+",
        action="extend",
        metavar="FILE",
        help=f"parameter files; each overrides base.yaml and the files before it (default: {display_path(EXAMPLE)})",
    )
    parser.add_argument(
        "-p",
        dest="assignments",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one parameter; overrides the files; may be repeated",
    )


def load_layers(options: argparse.Namespace, announce: bool = True) -> Layers:
    """Load the parameters that the command line names, without checking them.

    Parameters
    ----------
    options : argparse.Namespace
        With ``params`` and ``assignments``.
    announce : bool
        Whether to say on stderr that the example is used because no ``--params`` is given.
    """
    layers = load(options.params or [EXAMPLE], options.assignments)
    if announce and not options.params:
        print(
            f"No --params given: using {display_path(EXAMPLE)} (use case {layers.values.get('name')}).", file=sys.stderr
        )
    return layers


def load_parameters(options: argparse.Namespace, announce: bool = True) -> Parameters:
    """Load and check the parameters that the command line names; see `load_layers`.

    Raises
    ------
    ParameterError
        If any parameter is invalid. The message lists all faults.
    """
    return Parameters(check(load_layers(options, announce)))
