"""The table schema: how the files of a table are written, and what the values of each column mean.

A schema is inferred once, from the table a model learns from. It is stored beside the parameters, in the baseline and
with the model, and every later reader obeys it. Nothing about a later table is guessed again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from lib.schema.number_format import NumberFormat
from lib.schema.text_values import category_name, normalize_text

NUMBER, CODE, CATEGORY, ORDERED, TEXT, DATETIME, DURATION, BOOLEAN = KINDS = (
    "number",
    "code",
    "category",
    "ordered",
    "text",
    "datetime",
    "duration",
    "boolean",
)
PARTS_OF_DATE = ("year", "month", "day", "hour", "minute", "second")
# The field `source_columns` is written as `from`, which as a keyword cannot be the name of a field.
_WRITTEN_NAMES = {"source_columns": "from"}
_FIELD_NAMES = {written: name for name, written in _WRITTEN_NAMES.items()}

# Keys of a baseline: the schema of the table as it was read, and that of the prepared columns that a model sees.
TABLE_SCHEMA, FEATURE_SCHEMA = "table_schema", "feature_schema"


class SchemaError(ValueError):
    """A schema that cannot be read; the message says which entry is wrong."""


@dataclass(frozen=True)
class ColumnSchema:
    """The schema of a column: how its values are read.

    Attributes
    ----------
    name : str
    kind : str
        One of `KINDS`.
    whole : bool
        Whether every number of the column is whole.
    number_format : NumberFormat
        The meaning of commas and points in numbers.
    unit : str
        The unit or currency after or before every number, such as ``kg``; empty for numbers without a unit.
    missing_values : tuple of str
        Values that mean "missing" in this column, besides the usual ones such as ``n/a``.
    not_missing : tuple of str
        Words that usually mean "missing" but are values of this column, such as ``NA`` for Namibia.
    order : tuple of str
        Categories of an ordered column, the lowest first.
    date_format : str
        Format of dates that are text, such as ``%d/%m/%Y``; see `lib.schema.datetimes`.
    time_zone : str
        Time zone of the datetimes; empty for datetimes without a time zone.
    datetime_unit : str
        Unit of datetimes in a prepared table, as in NumPy, such as ``us``; ``ns`` if empty.
    optional : bool
        Whether the column may be absent from a later table.
    unreadable_as_missing : bool
        Whether values that do not fit the kind count as missing, as some did in the first table. Otherwise they are
        faults.
    source_columns : tuple of str
        Columns of the file that this datetime is combined from, in the order year, month, day, hour, minute, second.
        Empty for a column of the file itself. A written schema names this entry ``from``.
    """

    name: str
    kind: str
    whole: bool = False
    number_format: NumberFormat = NumberFormat.DECIMAL_POINT
    unit: str = ""
    missing_values: tuple[str, ...] = ()
    not_missing: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    date_format: str = ""
    time_zone: str = ""
    datetime_unit: str = ""
    optional: bool = False
    unreadable_as_missing: bool = False
    source_columns: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the entries that differ from the defaults, as JSON types."""
        entries = {_WRITTEN_NAMES.get(key, key): value for key, value in _non_default_fields(self).items()}
        return {key: value for key, value in entries.items() if key != "name"}

    @classmethod
    def from_dict(cls, name: str, values: Mapping[str, Any]) -> ColumnSchema:
        """Return the column that `to_dict` described.

        Raises
        ------
        SchemaError
            If an entry or the kind is unknown.

        Examples
        --------
        >>> ColumnSchema.from_dict("when", {"kind": "datetime", "from": ["year", "month"]}).source_columns
        ('year', 'month')
        """
        name = normalize_text(name)
        _check_entries(cls, values, f"column {name!r}", exclude=("name",))
        values = {_FIELD_NAMES.get(key, key): value for key, value in values.items()}
        if values["kind"] not in KINDS:
            raise SchemaError(f"column {name!r} has the kind {values['kind']!r}; expected one of {', '.join(KINDS)}.")
        converted: dict[str, Any] = {
            key: tuple(map(str, value)) if isinstance(value, (list, tuple)) else value for key, value in values.items()
        }
        if "order" in converted:
            converted["order"] = tuple(map(category_name, converted["order"]))
        if "number_format" in converted:
            converted["number_format"] = _parse_number_format(name, converted["number_format"])
        return cls(name, **converted)

    @property
    def expected(self) -> str:
        """Description of valid values, for messages: the words that follow "expected"."""
        if self.kind == NUMBER:
            number = "a whole number" if self.whole else "a number"
            unit = f" in {self.unit}" if self.unit else " without a unit"
            return f"{number}{unit} ({self.number_format.value})"
        if self.source_columns:
            return f"a date that exists, from {', '.join(self.source_columns)}"
        if self.kind == DATETIME:
            return f"a date in the format {self.date_format}" if self.date_format else "a date or time"
        if self.kind == ORDERED:
            return f"one of {', '.join(self.order)}"
        return {BOOLEAN: "true or false", DURATION: "a duration"}.get(self.kind, "text")


@dataclass(frozen=True)
class TextFormat:
    """The format of a text file.

    Attributes
    ----------
    encoding : str
        Python name of the encoding.
    separator : str
        The character or characters between values.
    has_header : bool
        Whether the column names are in the file. Otherwise they are ``column_1``, ``column_2`` and so on.
    unit_row : tuple of str
        The cells of a row of units or types below the header, which is not data; empty if there is none.
    total_label : str
        The word that labels a row of totals at the end, which is not data; empty if there is none.
    quote_character : str
    escape_character : str
        A backslash if it escapes quotes within values; empty if such quotes are doubled.
    skip_initial_space : bool
        Whether a space after a separator is padding and not part of the value.
    """

    encoding: str
    separator: str
    has_header: bool = True
    unit_row: tuple[str, ...] = ()
    total_label: str = ""
    quote_character: str = '"'
    escape_character: str = ""
    skip_initial_space: bool = False


@dataclass(frozen=True)
class TableSchema:
    """The schema of a table.

    Attributes
    ----------
    columns : dict of str to ColumnSchema
        By name, in the order of the table.
    text_format : TextFormat or None
        The format of text files; None for Parquet files and databases, whose values have types.
    """

    columns: dict[str, ColumnSchema]
    text_format: TextFormat | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as JSON types."""
        text_format = {"text_format": _non_default_fields(self.text_format)} if self.text_format else {}
        return {**text_format, "columns": {name: column.to_dict() for name, column in self.columns.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableSchema:
        """Return the schema that `to_dict` described.

        Raises
        ------
        SchemaError
            If an entry is unknown or missing.

        Examples
        --------
        >>> schema = TableSchema({"weight": ColumnSchema("weight", "number", unit="kg")})
        >>> TableSchema.from_dict(schema.to_dict()) == schema
        True
        """
        _check_entries(cls, values, "the schema")
        text_format = values.get("text_format")
        if text_format is not None:
            _check_entries(TextFormat, text_format, "text_format")
            text_format = {**text_format, "unit_row": tuple(text_format.get("unit_row", ()))}
        return cls(
            {
                normalize_text(name): ColumnSchema.from_dict(name, column or {})
                for name, column in (values.get("columns") or {}).items()
            },
            TextFormat(**text_format) if text_format else None,
        )

    @property
    def required_columns(self) -> list[str]:
        """The columns that every file must have."""
        return [name for name, column in self.columns.items() if not column.optional and not column.source_columns]

    @property
    def combined_columns(self) -> list[ColumnSchema]:
        """The datetimes that are combined from several columns of the file."""
        return [column for column in self.columns.values() if column.source_columns]

    def describe_changes(self, newer: TableSchema) -> list[str]:
        """Return a line for each difference between this schema and a newer one.

        Examples
        --------
        >>> old = TableSchema({"weight": ColumnSchema("weight", "number", unit="kg")})
        >>> new = TableSchema({"weight": ColumnSchema("weight", "number", unit="lb")})
        >>> old.describe_changes(new)
        ["weight: unit 'kg' becomes 'lb'"]
        """
        lines = []
        if self.text_format != newer.text_format:
            lines.append(f"text_format: {_describe(self.text_format)} becomes {_describe(newer.text_format)}")
        lines += [f"{name}: no longer in the table" for name in self.columns if name not in newer.columns]
        for name, column in newer.columns.items():
            if name not in self.columns:
                lines.append(f"{name}: new, {column.kind}")
                continue
            before, after = asdict(self.columns[name]), asdict(column)
            lines += [
                f"{name}: {_WRITTEN_NAMES.get(key, key)} {_describe(before[key])} becomes {_describe(after[key])}"
                for key in after
                if before[key] != after[key]
            ]
        return lines


def _non_default_fields(entry: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults, as JSON types."""
    values = {attribute.name: (getattr(entry, attribute.name), attribute.default) for attribute in fields(entry)}
    return {name: _to_json(value) for name, (value, default) in values.items() if value != default}


def _to_json(value: Any) -> Any:
    if isinstance(value, NumberFormat):
        return value.name.lower()
    return list(value) if isinstance(value, tuple) else value


def _describe(value: Any) -> str:
    if isinstance(value, NumberFormat):
        return repr(value.value)
    if isinstance(value, tuple):
        return repr(list(value))
    return repr(value)


def _parse_number_format(name: str, value: str) -> NumberFormat:
    known = {number_format.name.lower(): number_format for number_format in NumberFormat}
    if value not in known:
        raise SchemaError(f"column {name!r} has the number_format {value!r}; expected one of {', '.join(known)}.")
    return known[value]


def _check_entries(cls: type, values: Any, where: str, exclude: Collection[str] = ()) -> None:
    """Raise a SchemaError if `values` lacks a required field of a dataclass or has an unknown one."""
    if not isinstance(values, Mapping):
        raise SchemaError(f"{where} is {type(values).__name__}; expected a mapping.")
    known = {_WRITTEN_NAMES.get(entry.name, entry.name): entry for entry in fields(cls) if entry.name not in exclude}
    if unknown := [str(name) for name in values if name not in known]:
        raise SchemaError(f"{where} has the unknown entry {unknown[0]!r}; expected one of {', '.join(known)}.")
    for name, entry in known.items():
        if entry.default is MISSING and entry.default_factory is MISSING and name not in values:
            raise SchemaError(f"{where} lacks the entry {name!r}, which is required.")
