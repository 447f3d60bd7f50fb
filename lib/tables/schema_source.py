"""The sources of a table's schema: the stored schema file, and the parameters that describe columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from lib.errors import DataError, NameNotFound
from lib.paths import display_path, resolve
from lib.schema.datetimes import ISO_FORMAT
from lib.schema.number_format import NumberFormat
from lib.schema.table_schema import CATEGORY, CODE, DATETIME, NUMBER, TEXT, ColumnSchema, SchemaError, TableSchema

# libyaml, if PyYAML was built with it: the pure Python parser takes seconds for a table of thousands of columns.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_THOUSANDS = {",": NumberFormat.COMMA_THOUSANDS, ".": NumberFormat.DECIMAL_COMMA}
_HEADER = """\
# Table schema of {data}: how its values are read. Training, scoring and the endpoint obey it.
# Edit it freely, or infer it again with: run_all.py schema --refresh
"""


@dataclass(frozen=True)
class SchemaSource:
    """A stored schema, if there is one, and the parameters that describe the table.

    Attributes
    ----------
    stored : TableSchema or None
        The schema of the file that the parameter ``schema`` names.
    columns : mapping of str to mapping
        Entries of single columns, such as ``{"size": {"kind": "ordered", "order": ["S", "M", "L"]}}``.
    missing_values, not_missing : sequence of str
        Further values that mean "missing" in every column, and words that do not mean "missing".
    header : bool or None
        Whether text files have a header; detected if None.
    thousands : str
        The character between thousands in every column of numbers: a comma, a point, or empty to infer it.
    time_zone : str
        Time zone of datetimes that are written without one; if empty, they have none.
    """

    stored: TableSchema | None = None
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing_values: Sequence[str] = ()
    not_missing: Sequence[str] = ()
    thousands: str = ""
    header: bool | None = None
    month_first: bool = False
    time_zone: str = ""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> SchemaSource:
        """Return the source that the parameters of a use case describe.

        Raises
        ------
        DataError
            If the schema file does not exist or cannot be read.
        """
        path = parameters["schema"]
        return cls(
            stored=load(resolve(path)) if path else None,
            columns=parameters["columns"],
            missing_values=[str(value) for value in parameters["missing_values"]],
            not_missing=[str(value) for value in parameters["not_missing"]],
            thousands=parameters["thousands"],
            header=parameters["header"],
            month_first=parameters["month_first"],
            time_zone=parameters["time_zone"],
        )

    @property
    def changes_schema(self) -> bool:
        """Whether a parameter changes the schema of the table."""
        return bool(self.columns or self.missing_values or self.not_missing or self.thousands or self.time_zone)

    def change(self, schema: TableSchema, unread: Collection[str] = ()) -> TableSchema:
        """Return a schema with the changes that the parameters describe.

        Parameters
        ----------
        schema : TableSchema
        unread : collection of str
            Columns of the table that were not read, and are therefore not in the schema.

        Raises
        ------
        NameNotFound
            If ``columns`` names a column that the table does not have.
        """
        combined = {name: entries["from"] for name, entries in self.columns.items() if entries.get("from")}
        named = [name for name in self.columns if name not in combined]
        for name in [*named, *(part for parts in combined.values() for part in parts)]:
            if name not in schema.columns and name not in unread:
                raise NameNotFound("column", name, schema.columns, where="the table (columns)")
        if self.header is not None and schema.text_format is not None:
            schema = replace(schema, text_format=replace(schema.text_format, has_header=self.header))
        columns = {**schema.columns, **{name: ColumnSchema(name, DATETIME) for name in combined}}
        return replace(schema, columns={name: self._change_column(column) for name, column in columns.items()})

    def _change_column(self, column: ColumnSchema) -> ColumnSchema:
        if self.thousands and column.kind == NUMBER:
            column = replace(column, number_format=_THOUSANDS[self.thousands])
        column = replace(
            column,
            missing_values=tuple(dict.fromkeys([*column.missing_values, *self.missing_values])),
            not_missing=tuple(dict.fromkeys([*column.not_missing, *self.not_missing])),
        )
        if self.time_zone and column.kind == DATETIME and not column.time_zone and _has_time(column):
            column = replace(column, time_zone=self.time_zone)
        entries = self.columns.get(column.name)
        if not entries:
            return column
        if entries.get("time_zone") and "kind" not in entries:
            _check_may_have_times(column)
            entries = {"kind": DATETIME, **entries}
        return ColumnSchema.from_dict(column.name, {**column.to_dict(), **entries})


def _check_may_have_times(column: ColumnSchema) -> None:
    """Raise if a column is of a kind that cannot have times."""
    if column.kind not in (DATETIME, TEXT, CATEGORY, CODE):
        raise DataError(
            f"columns: {column.name}: time_zone is set, but the column is of kind {column.kind}, not datetime. Remove "
            "time_zone, or set kind: datetime."
        )


def _has_time(column: ColumnSchema) -> bool:
    """Return whether the datetimes of a column may have a time of day, judging by their format."""
    return column.date_format in ("", ISO_FORMAT) or "%M" in column.date_format


def load(path: Path) -> TableSchema:
    """Read a schema file.

    Raises
    ------
    DataError
        If the file does not exist, is not YAML, or is not a schema.
    """
    if not path.is_file():
        raise DataError(
            f"schema: the file {display_path(path)} does not exist. Write it with: run_all.py schema --refresh"
        )
    try:
        return TableSchema.from_dict(yaml.load(path.read_text(encoding="utf-8"), _LOADER) or {})
    except (yaml.YAMLError, SchemaError) as error:
        raise DataError(f"schema: {display_path(path)}: {error}") from error


def write(schema: TableSchema, path: Path, data: str) -> None:
    """Write a schema file.

    Parameters
    ----------
    schema : TableSchema
    path : Path
    data : str
        Address of the table, for the comment at the top.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(schema.to_dict(), sort_keys=False, allow_unicode=True, width=10**6)
    path.write_text(_HEADER.format(data=data) + text, encoding="utf-8")
