"""Inspect a table, and write a parameter file and a data contract for it."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import re
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import extensions
from lib.commands import _skeletons
from lib.commands._progress import Progress
from lib.errors import ParameterError
from lib.invocation import command
from lib.metrics import TASKS
from lib.parameters import SPECS
from lib.parameters.card import QUESTIONS
from lib.parameters.checks import encoding_fault
from lib.paths import ROOT, display_path
from lib.tables import sources

if TYPE_CHECKING:
    from lib.schema.table_schema import TableSchema
    from lib.tables.proposal import Proposal

_TABLE_HEADER = ("checked", "found", "decision")
_FIRST_COLUMN_WIDTH = 16
_MIN_WIDTH, _MAX_WIDTH = 80, 140
_GAP = "  "
_MAX_NAME_LENGTH = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--data", required=True, help="the table: a file, folder, pattern or URL")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument("--name", help="name of the use case (default: derived from the table's name)")
    parser.add_argument("--encoding", default="", help="encoding of a text file, e.g. cp1250 (default: detected)")
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether a text file has a header; else columns are named column_1, column_2, ... (default: detected)",
    )
    parser.add_argument("--task", choices=TASKS, help="what to predict (default: inferred from the target)")
    parser.add_argument("--child", action="store_true", help="also write a pipeline class for your own code")
    parser.add_argument(
        "--card", action="store_true", help="ask for owner, intended use and limits, for the model card"
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")


def execute(options: argparse.Namespace) -> int:
    """Read the table, write the files, and print the findings and decisions."""
    if error := encoding_fault(options.encoding):
        raise ParameterError(f"--encoding: {error}")
    name = _use_case_name(options)
    files = _files_to_write(name, options.child)
    existing = [display_path(file) for file in files.values() if file.exists()]
    if existing and not options.force:
        verb = "exists" if len(existing) == 1 else "exist"
        raise ParameterError(
            f"{', '.join(existing)} already {verb}. Choose another name with --name, or overwrite with --force."
        )

    card = _ask_for_card() if options.card else {}

    from lib.schema.table_schema import TableSchema
    from lib.schema.text_values import normalize_text
    from lib.tables import frames, proposal, schema_source
    from lib.tables.quality import contract, contract_file

    target = normalize_text(options.target)
    data = _data_address(options.data)
    source = schema_source.SchemaSource(header=options.header)
    with Progress(steps=4) as progress:
        progress.start_step("reading the table")
        frame = sources.read(data, encoding=options.encoding, schema_source=source)
        has_header = frame.attrs.get(frames.SCHEMA, {}).get("text_format", {}).get("has_header", True)
        if not has_header and options.header is None and target not in frame:
            raise ParameterError(_describe_missing_header(data, target, frame.shape[1]))
        proposed = proposal.propose(frame, target, options.task or "", data, progress.start_step)
        progress.start_step("writing the contract")
        schema = _with_date_formats(TableSchema.from_dict(frame.attrs[frames.SCHEMA]), proposed.date_formats)
        schema_source.write(schema, files["schema"], data)
        contract_file.write(contract.from_profile(proposed.columns), files["contract"], data, len(frame))
    parameters = {
        "name": name,
        **({"pipeline": files["pipeline"].stem} if options.child else {}),
        "data": data,
        **({"encoding": options.encoding} if options.encoding else {}),
        **({"header": has_header} if options.header is not None or not has_header else {}),
        "schema": display_path(files["schema"]),
        "contract": display_path(files["contract"]),
        "target_column": target,
        **{parameter: proposed.parameters[parameter] for parameter in SPECS if parameter in proposed.parameters},
        **({"card": card} if card else {}),
    }
    files["parameters"].write_text(_to_yaml(parameters, proposed.reasons), encoding="utf-8")
    if options.child:
        module = files["pipeline"].stem
        class_name = "".join(part.capitalize() for part in module.split("_"))
        files["pipeline"].parent.mkdir(parents=True, exist_ok=True)
        files["pipeline"].write_text(_skeletons.PIPELINE.format(name=module, class_name=class_name), encoding="utf-8")
    _print_findings(proposed)
    _print_next_steps(files)
    return 0


def _ask_for_card() -> dict[str, str]:
    """Ask the questions of the model card; an empty answer leaves a question open, the end of input all others."""
    print("For the model card. Press Enter to leave a question open.")
    answers = {}
    for key, question in QUESTIONS.items():
        try:
            answer = input(f"{question} ")
        except EOFError:
            print()
            break
        if answer.strip():
            answers[key] = answer.strip()
    return answers


def _with_date_formats(schema: TableSchema, date_formats: dict[str, str]) -> TableSchema:
    """Return a schema in which text columns with dates have the date formats of the proposal."""
    columns = {
        name: dataclasses.replace(column, date_format=date_formats.get(name, column.date_format))
        if column.date_format
        else column
        for name, column in schema.columns.items()
    }
    return dataclasses.replace(schema, columns=columns)


def _describe_missing_header(data: str, target: str, column_count: int) -> str:
    """Return the message for a target that may be a name in an undetected header."""
    return (
        f"--target: {data} has no column {target!r}. Its first row looks like the rows below it, not like a header, so "
        f"its columns are named column_1 to column_{column_count}. Give one of these as --target, or add --header if "
        "the first row contains the names."
    )


def _files_to_write(name: str, has_pipeline: bool) -> dict[str, Path]:
    """Return the paths of the use case's files, by content."""
    files = {
        "parameters": ROOT / "parameters" / f"{name}.yaml",
        "schema": ROOT / "parameters" / "schemas" / f"{name}.yaml",
        "contract": ROOT / "parameters" / "contracts" / f"{name}.yaml",
    }
    if has_pipeline:
        files["pipeline"] = extensions.CUSTOM_FOLDER / "pipelines" / f"{name.replace('-', '_')}.py"
    return files


def _use_case_name(options: argparse.Namespace) -> str:
    """Return the name given by ``--name``, or one derived from the last part of the table's address."""
    address, _, database_table = options.data.rstrip("/").partition("#")
    stem = re.sub(r"\.\w+(\.gz)?$", "", database_table or address.split("/")[-1])
    derived = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:_MAX_NAME_LENGTH].strip("-")
    if not derived[:1].isalpha():
        derived = f"table-{derived}"[:_MAX_NAME_LENGTH].strip("-")
    name = options.name or derived
    spec = SPECS["name"]
    if not re.fullmatch(spec.pattern or ".*", name):
        raise ParameterError(f"--name: {name!r} is not allowed; expected {spec.pattern_meaning}.")
    return name


def _data_address(data: str) -> str:
    """Return the table's address for the parameter file. A path inside the project becomes relative to the project."""
    if sources.is_remote(data):
        return data
    path = Path(data).expanduser()
    if not path.is_absolute() and (path.exists() or not (ROOT / path).exists()):
        path = Path.cwd() / path
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _print_next_steps(files: dict[str, Path]) -> None:
    """Print the written files and the commands to run next."""
    print("\nWrote:")
    for file in files.values():
        print(f"  {display_path(file)}")
    print("\nNext, check the parameters and run the pipeline:")
    print(f"  {command('--params', files['parameters'], '--dry-run')}")
    print(f"  {command('--params', files['parameters'])}")


def _to_yaml(parameters: dict[str, Any], reasons: dict[str, str]) -> str:
    """Return the text of the parameter file. Comments give the reasons for values, by parameter name."""
    lines = [
        f"# Predict {' '.join(parameters['target_column'].split())} from {parameters['data']}. Written by init.",
        "# Every parameter is explained in parameters/base.yaml, which also contains the defaults.",
    ]
    for name, value in parameters.items():
        if name == "drop_columns" and value:
            lines.append(f"{name}:")
            lines += [f"  - {_yaml_value(column)}   # {reasons[f'{name}.{column}']}" for column in value]
        else:
            comment = f"   # {reasons[name]}" if name in reasons else ""
            lines.append(f"{name}: {_yaml_value(value)}{comment}")
    return "\n".join(lines) + "\n"


def _yaml_value(value: Any) -> str:
    """Return a value as YAML on one line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _print_findings(proposed: Proposal) -> None:
    """Print the findings as a table of three columns that fits the terminal."""
    table_width = min(max(shutil.get_terminal_size().columns, _MIN_WIDTH), _MAX_WIDTH)
    text_width = (table_width - _FIRST_COLUMN_WIDTH - 2 * len(_GAP)) // 2
    widths = (_FIRST_COLUMN_WIDTH, text_width, text_width)
    for row in [_TABLE_HEADER, tuple("-" * width for width in widths), *proposed.findings]:
        wrapped_cells = [textwrap.wrap(" ".join(cell.split()), width) for cell, width in zip(row, widths, strict=True)]
        for line in itertools.zip_longest(*wrapped_cells, fillvalue=""):
            print(_GAP.join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
