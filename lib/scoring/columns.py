"""One input column of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lib.scoring.column_format import ColumnFormat
from lib.scoring.kinds import Kind, find_kind


@dataclass(frozen=True)
class Column:
    """One input of a model.

    Attributes
    ----------
    name : str
        Name of the column in the training table.
    kind : Kind
        Its type.
    nullable : bool
        Whether null is accepted: the model met missing values in training, according to the signature or the baseline.
    """

    name: str
    kind: Kind
    nullable: bool

    @classmethod
    def from_signature(cls, entry: dict, statistics: dict, column_format: ColumnFormat | None = None) -> Column:
        """Return the column of an entry of the signature, with its statistics from the baseline and its format."""
        has_missing = not entry.get("required", True) or (statistics.get("missing") or 0) > 0
        return cls(entry["name"], find_kind(entry["type"], column_format or ColumnFormat()), has_missing)

    @property
    def expected(self) -> str:
        """Description of the accepted values."""
        return self.kind.words + (" or null" if self.nullable else "")

    @property
    def schema(self) -> dict:
        """JSON schema of a value."""
        if not self.nullable:
            return dict(self.kind.schema)
        return {**self.kind.schema, "type": [self.kind.schema["type"], "null"]}

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
