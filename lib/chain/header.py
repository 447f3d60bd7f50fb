"""Check of the column names in parameters against the table's header, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lib import catalogue, pipelines
from lib.errors import CodeError, InputError, suggest
from lib.parameters import Parameters
from lib.paths import resolve
from lib.tables import schema_source, sources
from lib.tables.files.file_types import PARQUET_SUFFIXES

# `prepare_data` may create their columns.
_DERIVABLE_PARAMETERS = ("target_column", "key_columns", "private_columns", "time_column", "cost_column", "groups")
_MAX_SCANNED_BYTES = 64 * 2**20


def find_column_faults(parameters: Parameters) -> list[str]:
    """Return a sentence for each column that a parameter names but the table lacks.

    Only the header is read. Columns that the pipeline's own code may add, and tables whose header cannot be read
    cheaply (databases, remote files), are not checked.

    Parameters
    ----------
    parameters : Parameters
        ``data``, ``encoding``, ``header``, ``pipeline`` and the parameters that name columns.
    """
    overridden_hooks = _find_overridden_hooks(parameters.pipeline)
    if "load_data" in overridden_hooks:
        return []
    columns = read_header(parameters.data, parameters.get("encoding") or "", parameters.get("header"))
    if columns is None:
        return []
    source_columns = _read_combined_dates(parameters)
    replaced = {source for sources_of_date in source_columns.values() for source in sources_of_date}
    available = [name for name in (*columns, *source_columns) if name not in replaced]
    names_by_parameter = {
        "target_column": [parameters.target_column],
        "drop_columns": parameters.drop_columns,
        "key_columns": parameters.key_columns,
        "private_columns": parameters.get("private_columns") or [],
        "cost_column": list(filter(None, [parameters.get("cost_column")])),
        "groups": parameters.get("groups") or [],
        "columns": [name for name in parameters.get("columns") or {} if name not in source_columns],
        "time_column": [parameters.time_column] if parameters.split == "time" else [],
    }
    faults = [
        f"{parameter}: {parameters.data} has no column {name!r}. {suggest(name, available)}"
        for parameter, names in names_by_parameter.items()
        if not ("prepare_data" in overridden_hooks and parameter in _DERIVABLE_PARAMETERS)
        for name in names
        if name not in (columns if parameter == "columns" else available)
    ]
    return faults + [
        f"columns: {parameters.data} has no column {source!r}, a part of the date {name}. {suggest(source, columns)}"
        for name, sources_of_date in source_columns.items()
        for source in sources_of_date
        if source not in columns
    ]


def _read_combined_dates(parameters: Parameters) -> dict[str, Sequence[str]]:
    """Return the source columns of each date that the parameters or the stored schema combine from several columns."""
    source_columns = {}
    path = resolve(parameters.get("schema") or "")
    if path.is_file() and "from:" in path.read_text(encoding="utf-8"):
        source_columns = {column.name: column.source_columns for column in schema_source.load(path).combined_columns}
    entries = parameters.get("columns") or {}
    return source_columns | {name: entry["from"] for name, entry in entries.items() if entry.get("from")}


def read_header(data: str, encoding: str = "", header: bool | None = None) -> list[str] | None:
    """Return the column names of a table; None if reading them is expensive or ambiguous.

    Parameters
    ----------
    data : str
        Value of the parameter ``data``.
    encoding : str
        Encoding of a text file; empty to detect it.
    header : bool, optional
        Whether a text file has a header; None to detect it.
    """
    if sources.is_remote(data):
        return None
    try:
        paths = sources.list_files(data)
        columns = (
            _parquet_columns(paths)
            if paths[0].suffix.lower() in PARQUET_SUFFIXES
            else _text_columns(paths[0], encoding, header)
        )
    except InputError:
        return None  # reading the table will raise a more detailed error
    columns = [column.strip() for column in columns]
    has_duplicates = len(set(columns)) < len(columns)  # reading the table will rename them
    return None if has_duplicates else columns or None


def _parquet_columns(paths: Sequence[Path]) -> list[str]:
    from lib.tables.files import parquet

    names = parquet.read_column_names(paths[0])
    return [*names, *(name for name in parquet.parse_partition_columns(paths) if name not in names)]


def _text_columns(path: Path, encoding: str, header: bool | None) -> list[str]:
    """Return the header of a text file; empty if it cannot be determined.

    Only the beginning of the file is read. If the beginning is ambiguous, a small file is read as a whole.
    """
    from lib.tables.detect import dialect_detection

    detected = None if encoding else dialect_detection.detect_prefix(path, header)
    if detected is None and path.stat().st_size <= _MAX_SCANNED_BYTES:
        detected = dialect_detection.detect_dialect(path, encoding, header)
    return detected.header if detected is not None else []


def _find_overridden_hooks(pipeline: str) -> set[str]:
    """Return the names of the methods that a pipeline's file defines. The file is not imported, which would be slow."""
    if pipeline == "base" or pipeline not in pipelines.available():
        return set()
    try:
        file = catalogue.find_source("lib.pipelines", pipeline, "pipeline")
    except CodeError:  # the check of the pipeline reports it
        file = None
    if file is None:  # an installed package without its source: any hook may be overridden
        return {"load_data", "prepare_data"}
    source = file.read_text(encoding="utf-8")
    hooks = set(re.findall(r"^    def (\w+)", source, flags=re.MULTILINE))
    if "(BasePipeline)" not in source:  # its base class may override hooks as well
        hooks |= {"load_data", "prepare_data"}
    return hooks
