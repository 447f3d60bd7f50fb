"""Score the rows of a table with the model in production."""

from __future__ import annotations

import argparse
import contextlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lib import backends
from lib.commands import _arguments
from lib.errors import DataError, GateError, NameNotFound, StageError, format_count
from lib.forkserver import PID
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lib.backends.base import Backend
    from lib.schema.table_schema import TableSchema
    from lib.scoring.model import Model

_PART_ROWS = 5_000
_MAX_PRINTED_FAULTS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the rows, the output and the model."""
    parser.add_argument("--data", required=True, metavar="FILE", help="the table; it needs the model's columns")
    parser.add_argument("--out", required=True, metavar="FILE", help="file for the scored rows: .csv or .parquet")
    parser.add_argument("--version", help="version of the model; by default the one in production")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Score row by row, in bounded memory; rows that cannot be scored are printed with their number."""
    from tqdm import tqdm

    from lib.tables import schema_reader

    parameters = _arguments.load_parameters(options)
    out = resolve(options.out)
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise DataError(f"--out: cannot write a {out.suffix or 'nameless'} file. Use .csv or .parquet.")
    backend = backends.connect(parameters)
    data = backend.local_copy(options.data)
    chosen = _choose_model(backend, parameters.name, options.version)
    schema = _table_schema(chosen.model, data, parameters.encoding)
    rows, faults = 0, 0
    bar = tqdm(total=1, bar_format="{percentage:3.0f}%|{bar}| {postfix}", disable=None)  # on terminals only
    with _model_process(chosen) as score, _writer(out) as write, bar:
        for batch in schema_reader.read(
            schema, [data], _PART_ROWS, encoding=parameters.encoding, progress=lambda share: setattr(bar, "n", share)
        ):
            part = schema_reader.to_frame(batch)
            if not rows:
                _check_columns(list(part.columns), chosen.model, options.data)
            scored = score(part)
            write(_merge(part, scored, chosen.model))
            faulty = [(row, fault) for row, fault in enumerate(scored.column(-1).to_pylist()) if fault is not None]
            for row, fault in faulty[: max(0, _MAX_PRINTED_FAULTS - faults)]:
                print(f"row {part.index[row] + 1}: {fault}")
            rows, faults = rows + len(part), faults + len(faulty)
            bar.set_postfix_str(format_count(rows, "row"))
    if faults > _MAX_PRINTED_FAULTS:
        print(
            f"... and {faults - _MAX_PRINTED_FAULTS:,} more; the column fault of {display_path(out)} has all of them."
        )
    name = f"{parameters.name}, version {chosen.model.version}"
    print(f"{rows - faults:,} of {format_count(rows, 'row')} scored by {name}: {display_path(out)}")
    return 0


def _table_schema(model: Model, data: Path, encoding: str) -> TableSchema:
    """Return how to read the rows: by the schema of the table that the model learned from.

    A pipeline's own `prepare_data` may have added columns, or changed their type. The model's type decides then.
    """
    from lib.schema.table_schema import BOOLEAN, NUMBER, TEXT, ColumnSchema, TableSchema

    kinds = {"number": NUMBER, "integer": NUMBER, "boolean": BOOLEAN}
    schema = _stored_schema(model, data, encoding)
    columns = dict(schema.columns)
    for column in model.columns:
        kind, stored = kinds.get(column.kind.schema["type"]), columns.get(column.name)
        if stored is None or (stored.kind if stored.kind in (NUMBER, BOOLEAN) else None) != kind:
            columns[column.name] = ColumnSchema(column.name, kind or TEXT)
    return TableSchema(columns, schema.text_format)


def _stored_schema(model: Model, data: Path, encoding: str) -> TableSchema:
    """Return the schema in the model's folder. If an earlier release saved the model, infer one, and say so."""
    from lib.schema.table_schema import TableSchema
    from lib.tables import frames

    if model.schema is not None:
        return TableSchema.from_dict(model.schema)
    print(
        f"{model.name}, version {model.version}, was saved without a table schema: number formats are inferred from "
        f"{display_path(data)}. Train it again to read this table as the training table was read."
    )
    return TableSchema.from_dict(frames.read(data, encoding=encoding).attrs[frames.SCHEMA])


class _ChosenModel(NamedTuple):
    """A verified model folder and its description."""

    folder: Path
    model: Model


def _choose_model(backend: Backend, name: str, version: str | None) -> _ChosenModel:
    """Return the model of a version, by default of the one in production."""
    from lib.scoring.model import read
    from lib.scoring.model_folder import ModelError, code_folder, find

    registry = backend.models(name)
    if version is None:
        found = registry.production()
        if found is None:
            raise GateError(f"No version of {name} has the tag production. Run the chain, or give --version.")
    else:
        known = {known_version.version: known_version for known_version in registry.versions()}
        if version not in known:
            raise NameNotFound("version", version, known, where=f"the model {name}")
        found = known[version]
    folder = backend.tracking.model_folder(found.source, found.sha256)
    try:
        code_folder(find(folder))
        return _ChosenModel(folder, read(folder, name, found.version))
    except ModelError as error:
        raise StageError(str(error)) from None


@contextlib.contextmanager
def _model_process(chosen: _ChosenModel) -> Iterator[Callable[[pd.DataFrame], pa.Table]]:
    """Start a process on the model's own code, and yield a function that scores rows there.

    The function returns the columns that `lib.scoring.batch.as_arrow` documents.
    """
    import pyarrow as pa

    from lib.scoring import wire_protocol
    from lib.scoring.model_folder import ModelError
    from lib.serving import model_process

    model = chosen.model
    died_message = f"The process of {model.name}, version {model.version}, died; the lines above say why."
    server = model_process.start(chosen.folder, "lib.scoring.batch", str(model.name), str(model.version))
    try:
        ready = server.wait_until_ready()
        if ready is None:
            raise StageError(died_message)
        try:
            model_process.check_protocol(ready.facts)
        except ModelError as error:
            raise StageError(str(error)) from None
        connection, _ = server.fork()
        with connection, connection.makefile("rb") as file:
            file.read(PID.size)

            def score(rows: pd.DataFrame) -> pa.Table:
                known = [column.name for column in model.columns if column.name in rows.columns]
                try:
                    connection.sendall(wire_protocol.pack_part(pickle.dumps(rows[known])))
                    content = wire_protocol.read_part(file)
                except ConnectionError:
                    content = None
                if content is None:
                    raise StageError(died_message)
                return pa.ipc.open_stream(content).read_all()

            yield score
    finally:
        server.terminate()


def _check_columns(names: list[str], model: Model, where: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{where} has several columns {repeated[0]!r}. Rename all but one.")
    for column in model.columns:
        if column.name not in names and not column.nullable:
            raise NameNotFound("column", column.name, names, where=f"{where}; the model needs this column")


def _merge(part: pd.DataFrame, scored: pa.Table, model: Model) -> pa.Table:
    """Return the rows with the model's columns in their types, its answers and the faults.

    A name that the table has already gets a ``_`` appended.
    """
    import pyarrow as pa

    from lib.tables import frames

    inputs = {column.name: position for position, column in enumerate(model.columns)}
    arrays: dict[str, Any] = {"row": pa.array([number + 1 for number in part.index], type=pa.int64())}
    others = frames.pandas_to_arrow(part[[name for name in part.columns if name not in inputs]])
    for name in part.columns:
        array = scored.column(inputs[name]) if name in inputs else others.column(name)
        arrays[_free_name(name, arrays)] = array
    for position in range(len(inputs), scored.num_columns):
        arrays[_free_name(scored.field(position).name, arrays)] = scored.column(position)
    return pa.table(arrays)


def _free_name(name: str, taken: dict[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


@contextlib.contextmanager
def _writer(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table to a file; after an error, there is no file."""
    import pyarrow.parquet as pq

    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    try:
        if out.suffix.lower() == ".csv":
            with part.open("w", encoding="utf-8", newline="") as file:
                yield lambda table: table.to_pandas(types_mapper=_nullable_type).to_csv(
                    file, index=False, header=file.tell() == 0
                )
        else:
            writers: list[pq.ParquetWriter] = []

            def write(table: pa.Table) -> None:
                if not writers:
                    writers.append(pq.ParquetWriter(part, table.schema))
                writers[0].write_table(table.cast(writers[0].schema))

            try:
                yield write
            finally:
                for writer in writers:
                    writer.close()
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _nullable_type(arrow_type: pa.DataType) -> Any:
    """Return the pandas type in which integers and booleans stay what they are beside missing values."""
    import pandas as pd
    import pyarrow as pa

    return {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get(arrow_type)
