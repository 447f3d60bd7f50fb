"""Check a table against its data contract, or accept the table as the new contract."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lib.commands import _arguments
from lib.errors import GateError, ParameterError
from lib.invocation import command
from lib.parameters import Parameters
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_ACTIONS = ("check", "accept")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        help="check: list the rules that the table breaks; accept: write a new contract from the table",
    )
    parser.add_argument("--dry-run", action="store_true", help="with accept: show the changes without writing them")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Check the table, or accept it and print the changes."""
    parameters = _arguments.load_parameters(options)
    if not parameters.contract:
        raise ParameterError("contract is empty. Set it to a file, e.g. contract: parameters/contracts/churn.yaml.")
    path = resolve(parameters.contract)
    if options.action == "accept":
        return _accept(path, parameters, options.dry_run)
    if not path.is_file():
        chosen = ["--params", *options.params] if options.params else []
        raise ParameterError(
            f"contract: the file {parameters.contract} does not exist. "
            f"Write it with: {command('contract', 'accept', *chosen)}"
        )
    return _check(path, parameters)


def _check(path: Path, parameters: Parameters) -> int:
    from lib.tables import frames
    from lib.tables.quality import contract, violations

    frame = _read_table(parameters)
    found = violations.find(frame, contract.load(path), parameters.drop_columns)
    if len(found.table):
        notes = frame.attrs.get(frames.NOTES) or []
        how_it_was_read = " ".join(["\nHow the table was read:", *notes]) if notes else ""
        raise GateError(f"{parameters.data} breaks its contract {display_path(path)}:\n{found}{how_it_was_read}")
    print(f"{parameters.data} fulfills its contract {display_path(path)}.")
    return 0


def _accept(path: Path, parameters: Parameters, dry_run: bool) -> int:
    from dataclasses import replace

    from lib.tables.quality import contract, contract_changes, profile

    frame = _read_table(parameters)
    new = contract.from_profile(profile.describe(frame))
    old = contract.Contract({})
    if path.is_file():
        old = contract.load(path)
        # These rules cannot be derived from a table, so they keep their values.
        new = replace(new, key=old.key, allow_extra_columns=old.allow_extra_columns, max_drift=old.max_drift)
    changes = contract_changes.find_changes(old, new)
    for column, rule, before, after in changes:
        print(f"{column or 'the table'}: {rule}: {before} -> {after}")
    if not changes:
        print(f"{display_path(path)} is up to date.")
    elif not dry_run:
        contract.write(new, path, parameters.data, len(frame))
        print(f"Wrote {display_path(path)}")
    return 0


def _read_table(parameters: Parameters) -> pd.DataFrame:
    from lib.tables import cleaning, sources

    read = sources.read(parameters.data, encoding=parameters.encoding)
    frame, _ = cleaning.deduplicate_columns(read, [parameters.target_column])
    return frame
