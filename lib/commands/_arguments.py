"""Arguments that the commands share (parameter files, single parameters), and messages about misspelt options."""

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
            # In `contract import --format odcs x`, an option separates the two positional arguments. argparse then
            # does not recognize the second one, since it may be omitted.
            options, unknown = self.parse_known_intermixed_args(arguments)
        if unknown:
            self.refuse(unknown[0])
        return options

    def refuse(self, argument: str) -> NoReturn:
        """End the program with exit code 2 and a message about an unknown argument."""
        if not argument.startswith("-"):
            self.error(f"unexpected argument {argument!r}. A command comes first: run_all.py COMMAND OPTIONS.")
        option = argument.partition("=")[0]
        options = [name for action in self._actions for name in action.option_strings]
        nearest_options = difflib.get_close_matches(option, options, n=1, cutoff=0.5)
        suggestion = f" Did you mean {nearest_options[0]}?" if nearest_options else ""
        self.error(f"unknown option {option}.{suggestion} --help lists all options.")


def make_name_converter(kind: str, names: Collection[str]) -> Callable[[str], str]:
    """Return a converter for `add_argument` that accepts known names only. An error suggests the nearest name.

    Parameters
    ----------
    kind : str
        The kind of the named things, for messages: ``"action"``.
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
        The options that `add_parameter_options` adds: ``params`` and ``assignments``.
    announce : bool
        Whether to print to stderr that the example is used, if ``--params`` is not given.
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
