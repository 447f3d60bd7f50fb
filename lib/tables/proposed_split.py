"""The split proposed for a new table: by group, at random, or by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from lib.tables import cleaning
from lib.tables.quality.counters import Counter
from lib.tables.split.suggestion import suggest_split

if TYPE_CHECKING:
    from lib.tables.proposal import Proposal


def decide_split(proposal: Proposal, frame: pd.DataFrame, dropped: dict[str, str], target: str) -> None:
    """Propose a split by group if entities repeat, so that no entity is in both training and test; offer one by time.

    Parameters
    ----------
    proposal : Proposal
        Gets the parameters and findings.
    frame : DataFrame
    dropped : dict of str to str
        Columns that no model should learn from, with reasons. Key columns and counters are added.
    target : str
    """
    suggestion = suggest_split(frame, proposal.columns, target, [*dropped, *cleaning.find_index_columns(frame)])
    keys = suggestion.key_columns
    for counter in suggestion.counters:
        _decide_counter(proposal, counter, dropped, target, is_key=counter.name in keys)
    if keys:
        joined = " and ".join(keys)
        proposal.parameters |= {"key_columns": keys, "split": "group"}
        proposal.reasons["split"] = (
            f"keeps all rows of one {joined} together: no model is tested on a {joined} that it knows"
        )
        for name in keys:
            dropped[name] = "ID: needed to split, not to predict"
        proposal.add_finding("groups", suggestion.reason, "split by group")
    if suggestion.date_parts:
        proposal.add_finding("date parts", ", ".join(suggestion.date_parts.values()), "kept as they are")
    if suggestion.time_columns and not keys:
        names = ", ".join(suggestion.time_columns)
        proposal.add_finding("dates", names, f"split at random; {_describe_time_split(suggestion.time_columns)}")


def _describe_time_split(time_columns: Sequence[str]) -> str:
    """Return the advice on the parameters with which a model is tested on the latest rows."""
    if len(time_columns) == 1:
        return f"to test on the latest rows, set split: time and time_column: {time_columns[0]}"
    return (
        f"to test on the latest rows, make one column of {', '.join(time_columns)} with `from` under columns, and set "
        "split: time and time_column to its name"
    )


def _decide_counter(proposal: Proposal, counter: Counter, dropped: dict[str, str], target: str, is_key: bool) -> None:
    """Drop a counter of the rows of the table or of a class, and report counters within other groups."""
    if counter.groups:
        finding = f"{counter.name} counts the rows of each {counter.groups}, from {counter.starts:,} starts"
    else:
        finding = f"{counter.name} counts the rows of the table, and starts again {counter.starts - 1:,} times"
    if is_key:
        return
    if counter.groups in ("", target):
        dropped[counter.name] = f"ID: {finding.removeprefix(counter.name).strip()}"
        proposal.add_finding("counter", finding, "dropped")
    else:
        proposal.add_finding("counter", finding, "kept; drop it if it is unknown at prediction time")
