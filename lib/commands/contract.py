"""Check a table against its data contract, accept the table as the new contract, or export or import a contract."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lib.commands import _arguments
from lib.errors import DataError, GateError, ParameterError
from lib.invocation import command
from lib.parameters import Parameters
from lib.paths import ROOT, display_path, resolve, resolve_existing
from lib.secrets import known_values

if TYPE_CHECKING:
    import pandas as pd

    from lib.tables.quality.contract import Contract

_ACTIONS = ("check", "accept", "export", "import")
_FORMATS = ("odcs",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        help="check: list the rules that the table breaks; accept: write a new contract from the table; "
        "export, import: convert the contract to or from another format",
    )
    parser.add_argument("file", nargs="?", default="", help="with import: the file to import")
    parser.add_argument("--dry-run", action="store_true", help="with accept and import: show the changes only")
    parser.add_argument(
        "--format", choices=_FORMATS, default="odcs", help="the format: odcs, the Open Data Contract Standard 3.1"
    )
    parser.add_argument("--table", default="", help="with import: the table, if the file describes several")
    parser.add_argument("--out", default="", help="with export and import: the file to write")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Execute the action: check the table, or accept, export or import the contract."""
    if options.action == "import":
        return _import(options)
    if options.file:
        raise ParameterError(f"contract {options.action} takes no file. Remove {options.file}.")
    parameters = _arguments.load_parameters(options)
    if not parameters.contract:
        raise ParameterError("contract is empty. Set it to a file, e.g. contract: parameters/contracts/churn.yaml.")
    path = resolve(parameters.contract)
    if options.action == "accept":
        return _accept(path, parameters, options.dry_run)
    if not path.is_file():
        params_option = ["--params", *options.params] if options.params else []
        raise ParameterError(
            f"contract: the file {parameters.contract} does not exist. "
            f"Write it with: {command('contract', 'accept', *params_option)}"
        )
    return _export(path, parameters, options.out) if options.action == "export" else _check(path, parameters)


def _export(path: Path, parameters: Parameters, out: str) -> int:
    """Write the contract as a document of the Open Data Contract Standard, or print it."""
    import yaml

    from lib.tables.quality import contract_file
    from lib.tables.quality.odcs import writer

    document = writer.to_document(contract_file.load(path), parameters.name)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    if out:
        resolve(out).parent.mkdir(parents=True, exist_ok=True)
        resolve(out).write_text(text, encoding="utf-8")
        print(f"Wrote {display_path(resolve(out))}")
    else:
        sys.stdout.write(text)
    return 0


def _import(options: argparse.Namespace) -> int:
    """Write the contract that a document of the Open Data Contract Standard describes."""
    import yaml

    from lib.tables.quality.odcs import reader

    if not options.file:
        raise ParameterError("contract import needs a file, e.g. contract import --format odcs orders.odcs.yaml.")
    file = resolve_existing(options.file)
    try:
        imported = reader.from_document(yaml.safe_load(file.read_text(encoding="utf-8")), options.table)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{display_path(file)} is not valid YAML or JSON: {' '.join(str(error).split())}") from error
    except DataError as error:
        raise DataError(f"{display_path(file)} cannot be imported: {error}") from error
    path = _imported_path(options, imported.table)
    print(f"Table {imported.table} of {display_path(file)}: {len(imported.contract.columns)} columns.")
    if imported.unrepresented:
        print("A contract cannot represent these entries of the file:")
        for entry in imported.unrepresented:
            print(f"  {entry}")
    return _write_contract(
        path, imported.contract, f"{display_path(file)}, table {imported.table}", None, options.dry_run
    )


def _imported_path(options: argparse.Namespace, table: str) -> Path:
    """Return the file that an imported contract is written to."""
    if options.out:
        return resolve(options.out)
    has_parameters = options.params or options.assignments
    if has_parameters and (path := _arguments.load_parameters(options).contract):
        return resolve(path)
    name = "".join(character if character.isalnum() else "-" for character in table.lower())
    return ROOT / "parameters" / "contracts" / f"{name}.yaml"


def _write_contract(path: Path, new: Contract, source: str, rows: int | None, dry_run: bool) -> int:
    """Print how a contract differs from the contract in a file, and write it to the file unless `dry_run` is true.

    `source` and `rows` say in the file from which table, and from how many rows, the contract was made.
    """
    from lib.tables.quality import contract, contract_changes, contract_file

    old = contract_file.load(path) if path.is_file() else contract.Contract({})
    changes = contract_changes.find_changes(old, new)
    for column, rule, before, after in changes:
        print(known_values.mask(f"{column or 'the table'}: {rule}: {before} -> {after}"))
    if not changes:
        print(f"{display_path(path)} is up to date.")
    elif not dry_run:
        contract_file.write(new, path, source, rows)
        print(f"Wrote {display_path(path)}")
    return 0


def _check(path: Path, parameters: Parameters) -> int:
    """Check the table against the contract; a GateError lists the broken rules."""
    from lib.tables import frames
    from lib.tables.quality import contract_file, violations

    frame = _read_table(parameters)
    violated = violations.find(frame, contract_file.load(path), parameters.drop_columns)
    if len(violated.table):
        notes = frame.attrs.get(frames.NOTES) or []
        reading_notes = " ".join(["\nHow the table was read:", *notes]) if notes else ""
        raise GateError(f"{parameters.data} breaks its contract {display_path(path)}:\n{violated}{reading_notes}")
    print(f"{parameters.data} fulfills its contract {display_path(path)}.")
    return 0


def _accept(path: Path, parameters: Parameters, dry_run: bool) -> int:
    """Write a new contract, made from the table."""
    from dataclasses import replace

    from lib.tables.quality import contract, contract_file, privacy, profile

    frame = _read_table(parameters)
    columns = profile.describe(frame)
    private = {name: privacy.hide_profile(columns[name]) for name in parameters.private_columns if name in columns}
    new = contract.from_profile({**columns, **private})
    if path.is_file():
        old = contract_file.load(path)
        # A table does not show these rules, so they are taken from the old contract.
        new = replace(new, key=old.key, allow_extra_columns=old.allow_extra_columns, max_drift=old.max_drift)
    return _write_contract(path, new, parameters.data, len(frame), dry_run)


def _read_table(parameters: Parameters) -> pd.DataFrame:
    """Read the table of the use case, with unique column names."""
    from lib.secrets import private_values
    from lib.tables import cleaning, sources
    from lib.tables.quality.privacy import list_distinct

    read = sources.read(parameters.data, encoding=parameters.encoding)
    frame, _ = cleaning.deduplicate_columns(read, [parameters.target_column])
    private_values.remember(list_distinct(frame, parameters.private_columns))
    return frame
