"""Hold a table against its contract, or take it as the new one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lib.commands import _arguments
from lib.errors import GateError, ParameterError
from lib.parameters import Parameters
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_ACTIONS = ("check", "accept")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with the contract of which parameters."""
    parser.add_argument(
        "action", choices=_ACTIONS, help="check: say what the table breaks; accept: take the table as the new contract"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what accept would change; write nothing")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Check, or accept and show the difference."""
    parameters = _arguments.load_parameters(options)
    if not parameters.contract:
        raise ParameterError("contract is empty. Name a file, e.g. contract: parameters/contracts/churn.yaml.")
    path = resolve(parameters.contract)
    if options.action == "accept":
        return _accept(path, parameters, options.dry_run)
    from lib.data import contract, tables, violations

    if not path.is_file():
        raise ParameterError(f"contract: there is no file {parameters.contract}. run_all.py contract accept makes it.")
    frame = _table(parameters)
    found = violations.find(frame, contract.load(path), parameters.drop_columns)
    if len(found.table):
        read = " ".join(["\nIt was read so:", *frame.attrs[tables.NOTES]]) if frame.attrs.get(tables.NOTES) else ""
        raise GateError(f"{parameters.data} breaks its contract {display_path(path)}:\n{found}{read}")
    print(f"{parameters.data} keeps its contract {display_path(path)}.")
    return 0


def _accept(path: Path, parameters: Parameters, dry_run: bool) -> int:
    from dataclasses import replace

    from lib.data import contract, profile

    frame = _table(parameters)
    new = contract.from_profile(profile.describe(frame))
    old = contract.load(path) if path.is_file() else contract.Contract({})
    if path.is_file():  # what nobody can see in a table stays as it was written
        new = replace(new, key=old.key, allow_extra_columns=old.allow_extra_columns, max_drift=old.max_drift)
    changed = contract.difference(old, new)
    for column, rule, before, after in changed:
        print(f"{column or 'the table'}: {rule}: {before} -> {after}")
    if not changed:
        print(f"{display_path(path)} says the same already.")
    elif not dry_run:
        contract.write(new, path, parameters.data, len(frame))
        print(f"Written: {display_path(path)}")
    return 0


def _table(parameters: Parameters) -> pd.DataFrame:
    from lib.data import cleaning, sources

    read = sources.read(parameters.data, encoding=parameters.encoding)
    frame, _ = cleaning.deduplicate_columns(read, [parameters.target_column])
    return frame
