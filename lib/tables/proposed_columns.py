"""Corrections of columns proposed for a new table: codes that mean "missing", and dates in several columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from lib.errors import format_count
from lib.schema.combined_dates import combine
from lib.tables.quality import profile
from lib.tables.quality.date_parts import find_date_parts, list_time_columns
from lib.tables.quality.missing_codes import find_missing_codes
from lib.tables.quality.profile import DATE, ColumnProfile

if TYPE_CHECKING:
    from lib.tables.proposal import Proposal


def decide_missing_codes(proposal: Proposal, frame: pd.DataFrame) -> pd.DataFrame:
    """Propose that numbers such as -200 count as missing, and return the table without them."""
    codes = {name: found for name in frame.columns if (found := find_missing_codes(frame[name]))}
    if not codes:
        return frame
    for name, found in codes.items():
        rows = int(frame[name].isin(found).sum())
        listed = " and ".join(f"{code:g}" for code in found)
        finding = f"{name}: {listed} in {rows:,} rows, far from all other values"
        proposal.add_finding("missing codes", finding, "counts as missing; change missing_values if it is a number")
    distinct = sorted({code for found in codes.values() for code in found})
    other_numbers = frame.drop(columns=list(codes)).select_dtypes("number")
    if other_numbers.isin(distinct).to_numpy().any():
        proposal.parameters["columns"] = {
            name: {"missing_values": [f"{code:g}" for code in found]} for name, found in codes.items()
        }
    else:
        proposal.parameters["missing_values"] = [int(code) for code in distinct]
    return frame.assign(**{name: frame[name].mask(frame[name].isin(found)) for name, found in codes.items()})


def combine_date_parts(
    proposal: Proposal, frame: pd.DataFrame, columns: Mapping[str, ColumnProfile], target: str
) -> tuple[pd.DataFrame, Mapping[str, ColumnProfile]]:
    """Propose to make one column of year, month, day and so on, and return the table with it.

    Nothing is proposed if another column has dates.
    """
    others = {name: column for name, column in columns.items() if name != target}
    names = list_time_columns(find_date_parts(others.values()), others)
    if len(names) < 2 or any(column.kind == DATE for column in others.values()):
        return frame, columns
    listed = ", ".join(names)
    combined = combine([pa.chunked_array([pa.array(frame[name], from_pandas=True)]) for name in names])
    if rows := int(combined.is_invalid.sum()):
        finding = f"{listed}: {format_count(rows, 'row has', 'rows have')} no such date"
        proposal.add_finding("date parts", finding, "kept as they are")
        return frame, columns
    name = _name_of_date(names, columns)
    position = min(frame.columns.get_loc(part) for part in names)
    attrs = frame.attrs
    frame = frame.drop(columns=names)
    frame.insert(position, name, combined.values.to_pandas())
    frame.attrs.update(attrs)
    proposal.parameters.setdefault("columns", {})[name] = {"from": names}
    proposal.reasons["columns"] = f"{name} replaces {listed}"
    proposal.add_finding("date parts", listed, f"combined to the column {name}")
    profiles = {**columns, name: profile.describe_column(frame[name])}
    return frame, {column: profiles[column] for column in frame.columns}


def _name_of_date(parts: Sequence[str], columns: Mapping[str, ColumnProfile]) -> str:
    """Return a free name for the date of some columns: ``when``, with what their names have in common."""
    words = [re.split(r"[\s_.\-]+", part) for part in parts]
    common = [word for word in words[0] if all(word in other for other in words)]
    name = "_".join(["when", *common])
    while name in columns:
        name += "_"
    return name
