"""Parameters proposed for single columns: codes that mean "missing", dates in several columns, and date formats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from lib.errors import format_count
from lib.schema import date_columns, datetimes
from lib.schema.combined_dates import combine
from lib.tables.quality import profile
from lib.tables.quality.date_parts import find_date_parts, list_time_columns
from lib.tables.quality.missing_codes import find_missing_codes
from lib.tables.quality.profile import DATE, ColumnProfile

if TYPE_CHECKING:
    from lib.tables.proposal import Proposal


def decide_missing_codes(proposal: Proposal, frame: pd.DataFrame) -> pd.DataFrame:
    """Propose that codes such as -200 count as missing, and return the table with missing values in their place."""
    codes = {name: code_numbers for name in frame.columns if (code_numbers := find_missing_codes(frame[name]))}
    if not codes:
        return frame
    for name, code_numbers in codes.items():
        rows = int(frame[name].isin(code_numbers).sum())
        listed = " and ".join(f"{code:g}" for code in code_numbers)
        finding = f"{name}: {listed} in {rows:,} rows, far from all other values"
        proposal.add_finding("missing codes", finding, "counts as missing; change missing_values if it is a number")
    distinct = sorted({code for code_numbers in codes.values() for code in code_numbers})
    other_numbers = frame.drop(columns=list(codes)).select_dtypes("number")
    if other_numbers.isin(distinct).to_numpy().any():
        proposal.parameters["columns"] = {
            name: {"missing_values": [f"{code:g}" for code in code_numbers]} for name, code_numbers in codes.items()
        }
    else:
        proposal.parameters["missing_values"] = [int(code) for code in distinct]
    return frame.assign(
        **{name: frame[name].mask(frame[name].isin(code_numbers)) for name, code_numbers in codes.items()}
    )


def combine_date_parts(
    proposal: Proposal, frame: pd.DataFrame, columns: Mapping[str, ColumnProfile], target: str
) -> tuple[pd.DataFrame, Mapping[str, ColumnProfile]]:
    """Propose to join columns of years, months and days to one column of dates, and return the table with it.

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
    name = _choose_date_name(names, columns)
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


def decide_dates(
    proposal: Proposal, frame: pd.DataFrame, columns: Mapping[str, ColumnProfile], ignored: Sequence[str]
) -> None:
    """Decide whether the month comes first, and report dates that are ambiguous or unreadable."""
    names = [name for name, column in columns.items() if column.kind == DATE and name not in ignored]
    formats = {name: date for name in names if (date := date_columns.inspect_date_format(frame[name]))}
    month_first = [name for name, date in formats.items() if date.format.startswith("%m") and not date.is_ambiguous]
    if month_first:
        proposal.parameters["month_first"] = True
        proposal.reasons["month_first"] = f"as in {month_first[0]}, e.g. {formats[month_first[0]].example}"
    for name, date in formats.items():
        date_format = date.format
        if date.is_ambiguous:
            decision = (
                "read day first; if the month comes first, set month_first: true, then run run_all.py schema --refresh"
            )
            if month_first:
                date_format = datetimes.swap_day_and_month(date_format)
                decision = f"read month first, as in {month_first[0]}"
            finding = f"{name}, e.g. {date.example}: no row tells the day from the month"
            proposal.add_finding("ambiguous dates", finding, decision)
        proposal.date_formats[name] = date_format
        written = datetimes.describe_format(date_format)
        if date.unreadable:
            finding = f"{name}: {date.unreadable:,} values are not in the format {written}"
            proposal.add_finding("unreadable dates", finding, "counted as missing")
        if "%y" in date_format:
            finding = f"{name} has two-digit years, e.g. {date.example} ({written})"
            proposal.add_finding("short years", finding, "00 to 68 are read as 2000 to 2068; use four digits if wrong")


def _choose_date_name(parts: Sequence[str], columns: Mapping[str, ColumnProfile]) -> str:
    """Return a new name for the joined date column: ``when``, and the words that the names of all parts share."""
    words = [re.split(r"[\s_.\-]+", part) for part in parts]
    common = [word for word in words[0] if all(word in other for other in words)]
    name = "_".join(["when", *common])
    while name in columns:
        name += "_"
    return name
