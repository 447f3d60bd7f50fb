"""The prepared table: the summaries of all parts, joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.errors import DataError
from lib.stages.preprocessing.split_plan import needed_columns
from lib.tables import cleaning
from lib.tables.targets import TargetConversion, plan_conversion

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages.preprocessing.engine import Engine
    from lib.stages.preprocessing.parts import PartSummary


@dataclass(frozen=True)
class PreparedTable:
    """A table after `prepare_data`.

    Attributes
    ----------
    dropped : list of str
        The columns that were dropped before `prepare_data`.
    kept_columns : int
        The number of columns that `prepare_data` received.
    summaries : list of PartSummary
    conversion : TargetConversion
    durations : list of str
        Columns of durations, which were converted to seconds.
    notes : list of str
        A sentence about each change.
    rows, columns : int
        The size of the prepared table.
    """

    dropped: list[str]
    kept_columns: int
    summaries: list[PartSummary]
    conversion: TargetConversion
    durations: list[str]
    notes: list[str]
    rows: int
    columns: int


def find_index_columns(engine: Engine, parameters: Parameters) -> list[str]:
    """Return the columns that contain a saved row index, except columns that are needed."""
    needed = needed_columns(parameters)
    if not any(cleaning.may_be_index(name) for name in engine.reading.columns if name not in needed):
        return []
    runs = engine.map_rows(cleaning.find_index_runs)
    return [name for name in cleaning.join_index_runs(runs) if name not in needed]


def prepare(engine: Engine, index_columns: Sequence[str], parameters: Parameters) -> PreparedTable:
    """Drop columns, prepare all parts, and convert the target.

    Parameters
    ----------
    engine : Engine
    index_columns : sequence of str
        The saved row indexes, which are dropped as well as ``drop_columns``. Needed columns are kept until the
        rows are split.
    parameters : Parameters

    Raises
    ------
    DataError
        If no rows are left, or the target does not fit the task.
    """
    needed_later, unread = needed_columns(parameters), engine.reading.unread
    droppable = [name for name in parameters.drop_columns if name not in (*needed_later, *unread)]
    dropped = [*droppable, *(name for name in index_columns if name not in droppable)]
    summaries = engine.prepare(dropped)
    if not sum(summary.target.row_count + summary.target.dropped_count for summary in summaries):
        raise DataError("prepare_data returned no rows; expected at least one. Check its filters.")
    targets = [summary.target for summary in summaries]
    conversion, target_notes = plan_conversion(targets, parameters.target_column, parameters.task)
    engine.convert_targets(conversion)
    kinds = _join_kinds(summaries)
    infinite = _sum_counts(summary.infinite for summary in summaries)
    return PreparedTable(
        dropped=list(dict.fromkeys([*parameters.drop_columns, *index_columns])),
        kept_columns=len(engine.reading.columns) - len(dropped),
        summaries=summaries,
        conversion=conversion,
        durations=cleaning.find_durations(kinds),
        notes=[*target_notes, *cleaning.describe_conversions(kinds), *cleaning.describe_infinite(infinite)],
        rows=sum(target.row_count for target in targets),
        columns=len(summaries[0].columns),
    )


def _join_kinds(summaries: Iterable[PartSummary]) -> dict[str, str]:
    """Return the former content of each column that was converted in any part."""
    return {name: kind for summary in summaries for name, kind in summary.converted.items()}


def _sum_counts(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sum of the counts of all parts, by name."""
    totals: dict[str, int] = {}
    for counts in parts:
        for name, count in counts.items():
            totals[name] = totals.get(name, 0) + count
    return totals
