"""The columns of a model that the raw table lacks, because the hook ``prepare_data`` adds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lib.schema.table_schema import TABLE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_LISTED_COLUMNS = 10


def describe_added_columns(inputs: Iterable[Any], baseline: Mapping[str, Any]) -> str:
    """Return a sentence about the columns that the endpoint asks for and the raw table lacks; empty if there are none.

    Parameters
    ----------
    inputs : iterable of str
        The model's input columns.
    baseline : mapping
        The baseline, which contains the schema of the raw table.

    Examples
    --------
    >>> describe_added_columns(["size", "area"], {TABLE_SCHEMA: {"columns": {"size": {}}}})[:62]
    'The endpoint asks for the column area, which the raw table lac'
    """
    raw_columns = (baseline.get(TABLE_SCHEMA) or {}).get("columns") or {}
    added = [str(name) for name in inputs if name not in raw_columns]
    if not raw_columns or not added:
        return ""
    listed = ", ".join(added[:_MAX_LISTED_COLUMNS])
    if len(added) > _MAX_LISTED_COLUMNS:
        listed += f" and {len(added) - _MAX_LISTED_COLUMNS} more"
    noun, pronoun = ("column", "it") if len(added) == 1 else ("columns", "them")
    return (
        f"The endpoint asks for the {noun} {listed}, which the raw table lacks: prepare_data adds {pronoun}. Requests, "
        f"and tables for score, have to contain {pronoun}. What can be computed from a raw row belongs in the hook "
        "features."
    )
