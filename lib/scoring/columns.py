"""One input column of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lib.schema.table_schema import BOOLEAN, DATETIME, NUMBER, TEXT, ColumnSchema
from lib.scoring.kinds import Kind
from lib.scoring.schema_kinds import find_kind

# The kind of a column of a model that was saved without a schema, by its type in the signature.
_TABLE_KINDS = {"string": TEXT, "boolean": BOOLEAN, "datetime": DATETIME}


@dataclass(frozen=True)
class Column:
    """One input of a model.

    Attributes
    ----------
    name : str
        Name of the column in the training table.
    kind : Kind
        Its type in requests.
    nullable : bool
        Whether null is accepted: the model met missing values in training, according to the signature, the baseline or
        the schema.
    table_kind : str
        Its kind in the training table, one of `lib.schema.table_schema.KINDS`.
    """

    name: str
    kind: Kind
    nullable: bool
    table_kind: str

    @classmethod
    def from_signature(cls, entry: dict, statistics: dict, schema: ColumnSchema | None = None) -> Column:
        """Return the column of an entry of the signature.

        Parameters
        ----------
        entry : dict
            An input of the MLflow signature: name, type and whether it is required.
        statistics : dict
            The column's entry in the baseline.
        schema : ColumnSchema, optional
            How training read the column.
        """
        nullable = not entry.get("required", True) or (statistics.get("missing") or 0) > 0
        # A column of dates can contain words for "missing" that are text in the prepared table.
        nullable = nullable or (schema is not None and schema.kind == DATETIME and bool(schema.missing_values))
        kind = find_kind(entry["type"], schema, nullable)
        return cls(entry["name"], kind, nullable, schema.kind if schema else _TABLE_KINDS.get(entry["type"], NUMBER))

    @property
    def expected(self) -> str:
        """Description of the accepted values."""
        return self.kind.words + (" or null" if self.nullable else "")

    @property
    def schema(self) -> dict:
        """JSON schema of a value."""
        if not self.nullable:
            return dict(self.kind.schema)
        choices = {"enum": [*self.kind.schema["enum"], None]} if "enum" in self.kind.schema else {}
        return {**self.kind.schema, **choices, "type": [self.kind.schema["type"], "null"]}

    def pandas(self, values: list) -> Any:
        """Convert valid values and nulls to a column of the DataFrame that the model takes."""
        return (self.kind.pandas_array or self.kind.array)(values)

    def arrow(self, values: list) -> Any:
        """Convert valid values and nulls to an Arrow array, whose type does not depend on the values."""
        return self.kind.arrow_array(values)

    def invalid_values(self, values: list) -> Iterator[tuple[int, Any]]:
        """Yield row numbers, from 0, and values that the column does not accept."""
        if self._surely_accepts(values):
            return
        is_valid, nullable = self.kind.is_valid, self.nullable
        for row, value in enumerate(values):
            if not (nullable if value is None else is_valid(value)):
                yield row, value

    def _surely_accepts(self, values: list) -> bool:
        """Return whether a fast check of all values together shows that they are valid."""
        types = set(map(type, values))
        if type(None) in types:
            if not self.nullable:
                return False
            types.discard(type(None))
            values = [value for value in values if value is not None]
        return types <= self.kind.python_types and self.kind.surely_valid(values)
