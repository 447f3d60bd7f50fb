"""One input column of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lib.schema.table_schema import BOOLEAN, DATETIME, NUMBER, TEXT, ColumnSchema
from lib.scoring.kinds import Kind
from lib.scoring.schema_kinds import find_kind

# The table kind for each type in the signature, for models that were saved without a schema.
_TABLE_KINDS = {"string": TEXT, "boolean": BOOLEAN, "datetime": DATETIME}


@dataclass(frozen=True)
class Column:
    """One input of a model.

    Attributes
    ----------
    name : str
        Name of the column in the training table.
    kind : Kind
        The type of its values in requests.
    nullable : bool
        Whether null is accepted, because the column had missing values in training.
    table_kind : str
        The column's kind in the training table, one of `lib.schema.table_schema.KINDS`.
    """

    name: str
    kind: Kind
    nullable: bool
    table_kind: str

    @classmethod
    def from_signature(cls, entry: dict, statistics: dict, schema: ColumnSchema | None = None) -> Column:
        """Make a column from an entry of the model's signature.

        Parameters
        ----------
        entry : dict
            An input of the MLflow signature, with its name, its type and whether it is required.
        statistics : dict
            The column's statistics in the training data, from the baseline.
        schema : ColumnSchema, optional
            The schema by which training read the column.
        """
        nullable = not entry.get("required", True) or (statistics.get("missing") or 0) > 0
        # The prepared table keeps words for "missing", such as "unknown", in a column of dates as text.
        nullable = nullable or (schema is not None and schema.kind == DATETIME and bool(schema.missing_values))
        kind = find_kind(entry["type"], schema, nullable)
        return cls(entry["name"], kind, nullable, schema.kind if schema else _TABLE_KINDS.get(entry["type"], NUMBER))

    @property
    def expected(self) -> str:
        """Description of the accepted values."""
        return self.kind.description + (" or null" if self.nullable else "")

    @property
    def json_schema(self) -> dict:
        """JSON schema of a value in a request."""
        if not self.nullable:
            return dict(self.kind.json_schema)
        nullable_schema = {**self.kind.json_schema, "type": [self.kind.json_schema["type"], "null"]}
        if "enum" in nullable_schema:
            nullable_schema["enum"] = [*nullable_schema["enum"], None]
        return nullable_schema

    def to_pandas(self, values: list) -> Any:
        """Convert valid values and nulls to this column of the model's input DataFrame."""
        return (self.kind.to_pandas_array or self.kind.to_array)(values)

    def to_arrow(self, values: list) -> Any:
        """Convert valid values and nulls to an Arrow array. Its type does not depend on the values."""
        return self.kind.to_arrow_array(values)

    def invalid_values(self, values: list) -> Iterator[tuple[int, Any]]:
        """Yield the row number, counted from 0, and the value of each cell that the column does not accept."""
        if self._are_surely_valid(values):
            return
        is_valid, nullable = self.kind.is_valid, self.nullable
        for row, value in enumerate(values):
            if not (nullable if value is None else is_valid(value)):
                yield row, value

    def _are_surely_valid(self, values: list) -> bool:
        """Check all values together, which is fast; return true only if that proves them valid."""
        types = set(map(type, values))
        if type(None) in types:
            if not self.nullable:
                return False
            types.discard(type(None))
            values = [value for value in values if value is not None]
        return types <= self.kind.python_types and self.kind.are_surely_valid(values)
