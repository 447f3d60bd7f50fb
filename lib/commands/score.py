"""Score the rows of a table with the model in production."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import backends
from lib.commands import _arguments, _formulas, _scored_file
from lib.commands._batch_model import choose_model, start_model
from lib.commands._score_report import Counts, Notes
from lib.errors import DataError, NameNotFound, ParameterError, format_count
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    import pyarrow as pa
    from tqdm import tqdm

    from lib.backends.base import Backend
    from lib.schema.table_schema import TableSchema
    from lib.scoring.model import Model
    from lib.tables.schema_reader import Batch

_PART_ROWS = 5_000
# The column that pandas writes for an index without a name: the row number.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the rows, the output and the model."""
    parser.add_argument(
        "--data",
        required=True,
        metavar="DATA",
        help="a file, folder, pattern or address of rows with the model's columns",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="file for the scored rows: .csv or .parquet")
    parser.add_argument("--version", help="version of the model; by default the one in production")
    parser.add_argument(
        "--reasons",
        type=int,
        default=0,
        metavar="N",
        help="add the N columns that moved each prediction most, and their effects",
    )
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Score the rows part by part, in bounded memory. Rows that cannot be scored are printed with their number."""
    from tqdm import tqdm

    from lib.scoring.json_body import MAX_REASONS
    from lib.tables import schema_reader

    parameters = _arguments.load_parameters(options)
    out = resolve(options.out)
    if out.suffix.lower() not in _scored_file.SUFFIXES:
        raise DataError(f"--out: cannot write a {out.suffix or 'nameless'} file. Use .csv or .parquet.")
    if not 0 <= options.reasons <= MAX_REASONS:
        raise ParameterError(f"--reasons: {options.reasons} is out of range; expected 0 to {MAX_REASONS}.")
    backend = backends.connect(parameters)
    chosen = choose_model(backend, parameters.name, options.version)
    counts, missing, notes, formulas = Counts(), Counter[str](), Notes(), Counter[str]()
    warned_rows = 0
    bar = tqdm(total=1, bar_format="{percentage:3.0f}%|{bar}| {postfix}", disable=None)  # on terminals only
    with (
        _local_files(backend, options.data) as paths,
        start_model(chosen, options.reasons) as score,
        _scored_file.writer(out) as write,
        bar,
    ):
        schema = _table_schema(chosen.model, paths, parameters.encoding)
        for number, path in enumerate(paths):
            name = _relative_name(path, paths)
            for batch in _read_file(schema, paths, number, parameters.encoding, chosen.model, bar, notes):
                scored = score(schema_reader.to_frame(batch))
                merged = _merge(batch, scored, chosen.model, name, notes)
                write(merged)
                if out.suffix.lower() == ".csv":
                    formulas.update(_formulas.count_formulas(merged))
                warned_rows += _count_warned_rows(scored, chosen.model)
                counts.add(batch.first_row, scored.column(-1).to_pylist(), name)
                missing.update(batch.counted_as_missing)
                bar.set_postfix_str(format_count(counts.rows, "row"))
    counts.report_more(display_path(out))
    print(*notes.sentences(), sep="\n", end="\n" if notes.sentences() else "")
    if warning := _formulas.describe_formulas(formulas, display_path(out)):
        print(warning)
    if warned_rows:
        rows = "1 row has" if warned_rows == 1 else f"{warned_rows:,} rows have"
        print(f"{rows} unusual values; the column `warnings` of {display_path(out)} contains them.")
    for name, count in missing.items():
        values = format_count(count, "value")
        print(f"{values} of {name} {'does' if count == 1 else 'do'} not fit the table schema and count as missing.")
    print(
        f"{counts.rows - counts.faults:,} of {format_count(counts.rows, 'row')} scored by {parameters.name}, version "
        f"{chosen.model.version}: {display_path(out)}"
    )
    return 0


def _count_warned_rows(scored: pa.Table, model: Model) -> int:
    """Return the number of rows with warnings; 0 for a model of an earlier release, whose code gives none."""
    names = scored.column_names[len(model.columns) :]
    if "warnings" not in names:
        return 0
    warnings = scored.column(len(model.columns) + names.index("warnings"))
    return len(warnings) - warnings.null_count


@contextlib.contextmanager
def _local_files(backend: Backend, uri: str) -> Iterator[list[Path]]:
    """Yield the local files of a path, folder, pattern or address. Remote files are downloaded first."""
    from lib.tables import databases, sources

    uri = sources.expand_reference(uri)
    if databases.is_database(uri):
        raise DataError(f"--data: {uri} is a database. Export the rows to a Parquet or text file.")
    if not sources.is_remote(uri):
        yield sources.list_files(uri)
    elif uri.startswith("azureml:"):
        yield [backend.local_copy(uri)]
    else:
        with sources.download(uri) as paths:
            yield paths


def _relative_name(path: Path, paths: list[Path]) -> str:
    """Return the path of a file relative to the common folder of all files; empty if there is only one file."""
    return path.relative_to(os.path.commonpath([other.parent for other in paths])).as_posix() if len(paths) > 1 else ""


def _read_file(
    schema: TableSchema, paths: list[Path], number: int, encoding: str, model: Model, bar: tqdm[Any], notes: Notes
) -> Iterator[Batch]:
    """Read a file in batches, with the partition columns from folder names such as ``year=2024``."""
    from lib.tables import schema_reader
    from lib.tables.files import parquet
    from lib.tables.files.file_types import PARQUET_SUFFIXES

    path = paths[number]
    is_parquet = path.suffix.lower() in PARQUET_SUFFIXES
    values = (
        {name: column[number] for name, column in parquet.parse_partition_columns(paths).items()} if is_parquet else {}
    )
    row_notes: list[str] = []
    is_first = True

    def show_progress(share: float) -> None:
        bar.n = (number + share) / len(paths)

    for batch in schema_reader.read(
        schema, [path], _PART_ROWS, encoding=encoding, progress=show_progress, notes=row_notes
    ):
        rows = parquet.add_partition_columns(batch.rows, values, exclude=batch.rows.column_names)
        if is_first:
            for name in _check_columns(rows.column_names, model, schema, str(path)):
                notes.add(
                    f"there is no column {name!r}. It is optional, and its values count as missing.", display_path(path)
                )
            is_first = False
        yield dataclasses.replace(batch, rows=rows)
    for note in row_notes:
        notes.add(note, display_path(path))


def _table_schema(model: Model, paths: list[Path], encoding: str) -> TableSchema:
    """Return the schema to read the rows: that of the training table, and of the columns that the model needs.

    The pipeline's `prepare_data` may have added columns or changed their kind. Then the kind in the model is used.
    """
    from lib.schema.table_schema import BOOLEAN, DURATION, NUMBER, ColumnSchema, TableSchema

    schema = _find_stored_schema(model, paths, encoding)
    columns = {**schema.columns, **model.feature_schema.columns}
    for column in model.columns:
        stored = columns.get(column.name)
        kinds = {column.table_kind, stored.kind if stored else ""}
        if stored is None or (len(kinds) > 1 and kinds & {NUMBER, BOOLEAN} and column.table_kind != DURATION):
            columns[column.name] = ColumnSchema(column.name, column.table_kind)
    return TableSchema(columns, schema.text_format)


def _find_stored_schema(model: Model, paths: list[Path], encoding: str) -> TableSchema:
    """Return the schema saved with the model. If an earlier release saved the model without one, infer the schema."""
    from lib.schema.table_schema import TableSchema
    from lib.tables import frames

    if model.table_schema is not None:
        return model.table_schema
    print(
        f"{model.name}, version {model.version}, was saved without a table schema: number formats are inferred from "
        f"{display_path(paths[0])}. Train the model again, so that the number formats of the training table are used."
    )
    return TableSchema.from_dict(frames.read(paths, encoding=encoding).attrs[frames.SCHEMA])


def _check_columns(names: list[str], model: Model, schema: TableSchema, where: str) -> list[str]:
    """Return the optional columns that a file lacks.

    Raises
    ------
    DataError
        If a name occurs twice.
    NameNotFound
        If a column is absent that is not optional. It may have been renamed, so missing values do not make it optional.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{where} has several columns with the name {repeated[0]!r}. Rename all but one.")
    absent = [column for column in model.columns if column.name not in names]
    for column in absent:
        if not (column.nullable and schema.columns[column.name].optional):
            raise NameNotFound("column", column.name, names, where=f"{where}; the model needs this column")
    return [column.name for column in absent]


def _merge(batch: Batch, scored: pa.Table, model: Model, file_name: str, notes: Notes) -> pa.Table:
    """Return the rows with the model's answers and the faults.

    Columns have their type in the file, or else in the schema. A ``_`` is appended to the name of a column that is
    also the name of an answer.

    Parameters
    ----------
    batch : Batch
    scored : Table
        The columns that `lib.scoring.batch.to_arrow` documents.
    model : Model
    file_name : str
        Name of the file if there are several files, else empty.
    notes : Notes
    """
    import pyarrow as pa

    from lib.tables.files.categoricals import is_text

    rows = batch.rows
    # Text that the model reads as another type, such as dates, is written in that type.
    typed = {
        column.name: position
        for position, column in enumerate(model.columns)
        if column.kind.name in ("datetime", "seconds") and column.name in rows.column_names
    }
    positions = range(len(model.columns), scored.num_columns)
    answers: dict[str, Any] = {}
    for position in positions:
        answers[_free_name(scored.field(position).name, answers)] = scored.column(position)
    first = batch.first_row + 1
    numbering: dict[str, Any] = {"file": pa.array([file_name] * rows.num_rows)} if file_name else {}
    numbering["row"] = pa.array(range(first, first + rows.num_rows), type=pa.int64())
    inputs: dict[str, Any] = {}
    for name in rows.column_names:
        if _PANDAS_INDEX.fullmatch(name):
            continue
        is_typed = name in typed and (is_text(rows[name].type) or rows[name].null_count == rows.num_rows)
        written_name = _free_name(name, {*numbering, *answers, *inputs, *(set(rows.column_names) - {name})})
        if written_name != name:
            notes.add(f"the column {name!r} is written as {written_name!r}.", file_name or "The table")
        inputs[written_name] = scored.column(typed[name]) if is_typed else rows[name]
    return pa.table({**numbering, **inputs, **answers})


def _free_name(name: str, taken: Collection[str]) -> str:
    """Append ``_`` to a name until it is not taken."""
    while name in taken:
        name += "_"
    return name
