"""Show the schema of a table, or infer it again and show the differences."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lib.commands import _arguments
from lib.errors import ParameterError
from lib.paths import display_path, resolve
from lib.secrets import known_values, private_values

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.schema.table_schema import ColumnSchema, TableSchema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="infer the schema again, show the differences, and ask before overwriting",
    )
    parser.add_argument("--yes", action="store_true", help="with --refresh: write the new schema without asking")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the schema, or write a new one after showing the differences."""
    parameters = _arguments.load_parameters(options)
    if options.refresh:
        return _refresh(parameters, options.yes)
    _print_schema(_read_or_infer_schema(parameters))
    return 0


def _read_or_infer_schema(parameters: Parameters) -> TableSchema:
    """Return the stored schema, or infer one from the table, and apply the parameters that correct it."""
    from lib.tables.schema_source import SchemaSource

    source = SchemaSource.from_parameters(parameters)
    return source.change(source.stored if source.stored is not None else _infer_schema(parameters))


def _infer_schema(parameters: Parameters) -> TableSchema:
    """Infer the schema from the table."""
    from lib.schema.table_schema import TableSchema
    from lib.tables import frames, sources
    from lib.tables.quality.privacy import list_distinct
    from lib.tables.schema_source import SchemaSource

    source = SchemaSource(month_first=parameters.month_first)
    frame = sources.read(parameters.data, encoding=parameters.encoding, schema_source=source)
    private_values.remember(list_distinct(frame, parameters.private_columns))
    return TableSchema.from_dict(frame.attrs[frames.SCHEMA])


def _refresh(parameters: Parameters, is_confirmed: bool) -> int:
    """Infer the schema, print how it differs from the stored one, and write it if the user agrees."""
    from lib.tables import schema_source

    if not parameters.schema:
        raise ParameterError("schema is empty. Set it to a file, e.g. schema: parameters/schemas/churn.yaml.")
    path, new = resolve(parameters.schema), _infer_schema(parameters)
    if path.is_file():
        differences = schema_source.load(path).describe_changes(new)
        if not differences:
            print(f"{display_path(path)} is up to date.")
            return 0
        print(*map(known_values.mask, differences), sep="\n")
    if path.is_file() and not is_confirmed and not _confirm(path):
        print(f"{display_path(path)} is unchanged.")
        return 0
    schema_source.write(new, path, parameters.data)
    print(f"Wrote {display_path(path)}")
    return 0


def _confirm(path: Path) -> bool:
    """Ask the user whether to overwrite a file."""
    if not sys.stdin.isatty():
        raise ParameterError("--refresh asks before it overwrites a schema. Without a terminal, add --yes.")
    return input(f"Overwrite {display_path(path)}? [y/N] ").strip().lower() in ("y", "yes")


def _print_schema(schema: TableSchema) -> None:
    """Print the text format, and a line for each column."""
    if schema.text_format:
        print(f"encoding {schema.text_format.encoding}, separator {schema.text_format.separator!r}")
    name_width = max(map(len, schema.columns), default=0)
    for column in schema.columns.values():
        print(known_values.mask(f"{column.name:{name_width}}  {_describe_column(column)}"))


def _describe_column(column: ColumnSchema) -> str:
    """Return a column's kind, followed by its other properties in parentheses."""
    properties = {key: value for key, value in column.to_dict().items() if key not in ("kind", "whole")}
    text = ", ".join(f"{key.replace('_', ' ')}: {_format_value(value)}" for key, value in properties.items())
    kind = "whole number" if column.whole else column.kind
    return f"{kind} ({text})" if text else kind


def _format_value(value: object) -> str:
    """Return the value of a property as text: lists with commas, booleans in lower case."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
