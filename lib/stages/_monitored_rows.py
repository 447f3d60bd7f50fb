"""The rows that monitoring judges: those of the request log by span of time, or those of a table."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from lib.errors import DataError
from lib.monitoring.reference import ERROR, PREDICTION
from lib.monitoring.request_rows import iterate_spans, list_days
from lib.monitoring.windows import list_spans
from lib.tables.schema_source import SchemaSource

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.monitoring.history import History
    from lib.parameters import Parameters
    from lib.stages._served_model import ServedModel

_MIDNIGHT = datetime.time(tzinfo=datetime.UTC)
Span = tuple[datetime.datetime, datetime.datetime]


def read_rows(backend: Backend, served: ServedModel, history: History, parameters: Parameters) -> pd.DataFrame:
    """Return the rows of the table ``rows``, with the model's predictions if they have its columns.

    Raises
    ------
    DataError
        If the rows have none of the model's columns.
    """
    source = SchemaSource(stored=served.lenient_schema) if served.lenient_schema else None
    rows = backend.read_table(parameters.rows, encoding=parameters.encoding or "", schema_source=source)
    columns = [name for name in history.references if name not in (PREDICTION, ERROR)]
    if not any(name in rows.columns for name in columns):
        raise DataError(
            f"{parameters.rows} has none of the columns of the model, {join_names(columns)}. Give rows as the "
            "endpoint gets them."
        )
    return rows.drop(columns=[PREDICTION, ERROR], errors="ignore")


def iterate_log(
    backend: Backend, served: ServedModel, history: History, parameters: Parameters, now: datetime.datetime
) -> Iterator[tuple[datetime.datetime, datetime.datetime, pd.DataFrame]]:
    """Yield start, end and rows of each span of the log to read: the new ones and, for late labels, the earlier ones.

    Raises
    ------
    DataError
        If the backend stores no request log, it is empty, or its clock is ahead of this machine's.
    """
    folder = backend.request_log(parameters.name)
    if folder is None:
        raise DataError("The endpoint of this backend logs no requests. Give the rows with --data.")
    days = list_days(folder) if folder.is_dir() else []
    if not days and not history.windows:
        raise DataError(
            f"There is no request log of {parameters.name} yet. Deploy the model with request_log: true and send "
            "requests, or give the rows with --data."
        )
    _check_clock(days, history, now, parameters.name)
    earlier = [(window.start, window.end) for window in history.windows]
    spans = [span for span in earlier if days and span[1].date() > days[0]] if parameters.labels else []
    spans += _list_new_spans(days, history, now, parameters.monitor_window_days)
    for (start, end), rows in zip(spans, iterate_spans(folder, served.version, spans), strict=True):
        yield start, end, rows


def _list_new_spans(days: list[datetime.date], history: History, now: datetime.datetime, length: int) -> list[Span]:
    """Return the spans that have ended since the previous look."""
    if history.windows:
        return list_spans(history.windows[-1].end, now, length)
    return list_spans(datetime.datetime.combine(days[0], _MIDNIGHT), now, length) if days else []


def _check_clock(days: list[datetime.date], history: History, now: datetime.datetime, name: str) -> None:
    """Raise a DataError if requests or earlier looks are from the future."""
    latest = max([*days[-1:], *(window.end.date() for window in history.windows[-1:])], default=now.date())
    if latest > now.date():
        raise DataError(
            f"The request log or an earlier look at {name} is from {latest}, but on this machine it is "
            f"{now:%Y-%m-%d %H:%M} (UTC). Set the clocks of both machines, or wait until that day is over."
        )


def join_names(names: list[str], most: int = 5) -> str:
    """Return the first names, and how many more there are.

    Examples
    --------
    >>> join_names(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
