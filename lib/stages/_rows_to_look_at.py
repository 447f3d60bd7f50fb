"""The rows that a person should look at after a drift, by request id or by their number in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import charts
from lib.monitoring.reference import ERROR, PREDICTION
from lib.monitoring.request_rows import REQUEST_ID, ROW, iterate_spans
from lib.monitoring.unusual_rows import rank_rows

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.monitoring.history import History
    from lib.monitoring.verdict import Judgement
    from lib.parameters import Parameters
    from lib.stages._served_model import ServedModel

_MAX_COLUMNS = 5
_PRIVATE = "(private)"


def read_newest_rows(backend: Backend, served: ServedModel, history: History, parameters: Parameters) -> pd.DataFrame:
    """Return the rows of the newest window with rows, as far as the request log still has them."""
    folder = backend.request_log(parameters.name)
    window = next((window for window in reversed(history.windows) if window.rows), None)
    if folder is None or window is None or not folder.is_dir():
        return pd.DataFrame()
    (rows,) = iterate_spans(folder, served.version, [(window.start, window.end)])
    return rows


def find_rows(
    rows: pd.DataFrame, served: ServedModel, history: History, judgement: Judgement, parameters: Parameters
) -> pd.DataFrame:
    """Return the most unusual rows in the drifted columns: how to find each row, and the cells of its values.

    A cell is a range of numbers or a category. Nothing is shown of private columns.

    Parameters
    ----------
    rows : DataFrame
        The newest rows, from the request log or from a table.
    served : ServedModel
    history : History
    judgement : Judgement
    parameters : Parameters
        ``rows`` and ``private_columns``.

    Returns
    -------
    DataFrame
        Columns ``request``, ``row`` and ``time (UTC)`` for the request log, or ``row`` for a table; then the drifted
        columns. Empty without a drift.
    """
    names = [name for name in judgement.drifted if name != ERROR][:_MAX_COLUMNS]
    if rows.empty or not names:
        return pd.DataFrame()
    columns = rows.drop(columns=[PREDICTION, ERROR], errors="ignore")
    if PREDICTION in names:
        predictions = _predict(rows, served, parameters)
        columns = columns if predictions is None else columns.assign(**{PREDICTION: served.read_outputs(predictions)})
    ranked = rank_rows(columns, history.references, names)
    for name in ranked.columns.intersection(list(parameters.private_columns)):
        ranked[name] = _PRIVATE
    return pd.concat([_identify(rows.loc[ranked.index], served, parameters), ranked], axis=1).reset_index(drop=True)


def make_table(ranked: pd.DataFrame) -> charts.Table | str:
    """Return the rows as a table, or why there are none."""
    if ranked.empty:
        return "No rows to look at: no input or prediction has drifted, or the log no longer has the newest rows."
    table = charts.Table(ranked.astype(str)).set_index("row" if "request" not in ranked.columns else "request")
    charts.label(table, "Rows to look at, the most unusual first")
    return table


def to_json(ranked: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what identifies each row, as JSON types."""
    keys = [name for name in ("request", "row") if name in ranked.columns]
    return [
        {name: int(value) if name == "row" else str(value) for name, value in entry.items()}
        for entry in ranked[keys].to_dict("records")
    ]


def _predict(rows: pd.DataFrame, served: ServedModel, parameters: Parameters) -> Any:
    """Return the logged predictions of requests, or those of the model for the rows of a table; None if unknown."""
    if not parameters.rows:
        return served.read_predictions(rows)
    return served.predict(rows[served.columns]) if {*served.columns} <= {*rows.columns} else None


def _identify(rows: pd.DataFrame, served: ServedModel, parameters: Parameters) -> pd.DataFrame:
    """Return the columns that identify rows: in a table their number from 0, in the log request, row and time."""
    if parameters.rows:
        return pd.DataFrame({"row": rows.index}, index=rows.index)
    known = {"request": served.name_in_log(REQUEST_ID), "row": ROW, "time (UTC)": served.name_in_log("_time")}
    identified = pd.DataFrame({title: rows[name] for title, name in known.items() if name in rows.columns})
    if "time (UTC)" in identified:
        identified["time (UTC)"] = identified["time (UTC)"].dt.strftime("%Y-%m-%d %H:%M:%S")
    return identified
