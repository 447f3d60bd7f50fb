"""Score the rows of a table with the model in production."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import backends
from lib.commands import _arguments
from lib.errors import DataError, GateError, NameNotFound
from lib.paths import resolve, shown

if TYPE_CHECKING:
    import pyarrow as pa

    from lib.scoring.batch import Scored
    from lib.scoring.scorer import Scorer

_ROWS = 5_000
_TOLD_FAULTS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which rows, where to, and by which model."""
    parser.add_argument("--data", required=True, metavar="FILE", help="the table; it needs the model's columns")
    parser.add_argument("--out", required=True, metavar="FILE", help="where the scored rows go: .csv or .parquet")
    parser.add_argument("--version", help="of the model; by default the one in production")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Score row by row, in bounded memory; what cannot be scored is reported with its number."""
    from tqdm import tqdm

    from lib.data import batches, marks
    from lib.scoring import batch

    parameters = _arguments.load_parameters(options)
    out = resolve(options.out)
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise DataError(f"--out: a {out.suffix or 'nameless'} file cannot be written; known are .csv and .parquet.")
    backend = backends.connect(parameters)
    data = backend.local_copy(options.data)
    scorer = _scorer(backend, parameters.name, options.version)
    numbers = [one.name for one in scorer.model.columns if one.kind.schema["type"] in ("number", "integer")]
    dialect = batches.dialect_of(data, parameters.encoding)
    commas = batches.marks_of(data, dialect, _ROWS)
    rows, faults = 0, 0
    bar = tqdm(total=1, bar_format="{percentage:3.0f}%|{bar}| {postfix}", disable=None)  # on terminals only
    with _written(out) as write, bar:
        for part in batches.read(data, dialect, _ROWS, lambda share: setattr(bar, "n", share)):
            if not rows:
                _check_columns(part.columns, scorer, options.data)
            scored = batch.score(scorer, marks.read_numbers(part, numbers, commas))
            write(_table(part, scored, scorer))
            for place, why in list(scored.faults.items())[: max(0, _TOLD_FAULTS - faults)]:
                print(f"row {part.index[place] + 1}: {why}")
            rows, faults = rows + len(part), faults + len(scored.faults)
            bar.set_postfix_str(f"{rows:,} rows")
    if faults > _TOLD_FAULTS:
        print(f"... and {faults - _TOLD_FAULTS:,} more; each is told in the column fault of {shown(out)}.")
    model = f"{parameters.name}, version {scorer.model.version}"
    print(f"{rows - faults:,} of {rows:,} rows scored by {model}: {shown(out)}")
    return 0


def _scorer(backend: Any, name: str, version: str | None) -> Scorer:
    """The model of a version, loaded as the endpoint loads it."""
    from lib.scoring.scorer import Scorer

    registry = backend.models(name)
    if version is None:
        found = registry.production()
        if found is None:
            raise GateError(f"No version of {name} bears the tag production. Run the chain, or give --version.")
    else:
        known = {one.version: one for one in registry.versions()}
        if version not in known:
            raise NameNotFound("version", version, known, where=f"the model {name}")
        found = known[version]
    folder = backend.tracking.model_folder(found.source, found.sha256)
    return Scorer.from_folder(folder, name, found.version, found.sha256)


def _check_columns(names: Any, scorer: Scorer, where: str) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise DataError(f"{where} has several columns {twice[0]!r}. Rename all but one.")
    for column in scorer.model.columns:
        if column.name not in names and not column.nullable:
            raise NameNotFound("column", column.name, names, where=f"{where}, and the model needs it")


def _table(part: Any, scored: Scored, scorer: Scorer) -> pa.Table:
    """The rows as they came, the model's columns in their types, and what was found; names that clash get a `_`."""
    import pyarrow as pa

    from lib.data import tables

    known = {column.name: column for column in scorer.model.columns}
    arrays = {"row": pa.array([number + 1 for number in part.index], type=pa.int64())}
    others = tables.as_arrow(part[[name for name in part.columns if name not in known]])
    for name in part.columns:
        array = known[name].arrow(scored.values[name]) if name in known else others.column(name)
        arrays[_free(name, arrays)] = array
    if scorer.classes is None:
        arrays[_free("prediction", arrays)] = pa.array(scored.predictions, type=pa.float64())
    else:
        kind = pa.array(scorer.classes).type
        arrays[_free("prediction", arrays)] = pa.array(scored.predictions, type=kind)
        for one, chances in zip(scorer.classes, scored.probabilities, strict=True):
            arrays[_free(f"probability_{one}", arrays)] = pa.array(chances, type=pa.float64())
    faults = [scored.faults.get(place) for place in range(len(part))]
    arrays[_free("fault", arrays)] = pa.array(faults, type=pa.string())
    return pa.table(arrays)


def _free(name: str, taken: Any) -> str:
    while name in taken:
        name += "_"
    return name


@contextlib.contextmanager
def _written(out: Path) -> Iterator[Any]:
    """Function that appends a table to a file, which is there whole or not at all."""
    import pyarrow.parquet as pq

    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    try:
        if out.suffix.lower() == ".csv":
            with part.open("w", encoding="utf-8", newline="") as file:
                yield lambda table: table.to_pandas(types_mapper=_nullable).to_csv(
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


def _nullable(kind: pa.DataType) -> Any:
    """Whole numbers and truths stay what they are beside a missing one."""
    import pandas as pd
    import pyarrow as pa

    return {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get(kind)
