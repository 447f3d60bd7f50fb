"""The scores of the best candidate by group of the test rows, for the gates and for the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lib import charts, metrics
from lib.evaluation.group_scores import GroupScores, score_groups
from lib.evaluation.not_measured import NotMeasuredError
from lib.parameters.gates import RATES
from lib.stages._decision_worth import Display, make_display
from lib.tables import frames

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages._contenders import Comparison, Contender

_CAPTION = (
    "The best candidate on the groups of the test rows. The rates are defined as in fairlearn. A rate of few rows says "
    "little."
)


def score_test_groups(best: Contender, comparison: Comparison, parameters: Parameters) -> list[GroupScores]:
    """Return the scores of the best candidate on each group of the test rows.

    Parameters
    ----------
    best : Contender
    comparison : Comparison
    parameters : Parameters
        ``groups``, ``target_column``, ``task``, ``primary_metric`` and ``metrics``.

    Raises
    ------
    NameNotFound
        If the test rows have no such column.
    NotMeasuredError
        If a column has too many different values.
    """
    test, hidden = comparison.test, comparison.hidden
    rows = test if hidden is None else test.assign(**hidden)
    where = "the test rows (groups); run preprocess again if the parameter is new"
    columns = pd.DataFrame({name: frames.get_column(rows, name, where=where) for name in parameters.groups})
    truth = test[parameters.target_column].to_numpy()
    return score_groups(truth, best.predictions, columns, metrics.for_task(parameters.task, parameters.own_metrics))


def show_groups(best: Contender, comparison: Comparison, parameters: Parameters) -> tuple[Display, ...]:
    """Return a table of the scores by group, with a caption; nothing without ``groups``."""
    if not parameters.groups:
        return ()
    try:
        scores = score_test_groups(best, comparison, parameters)
    except NotMeasuredError as error:
        failure = charts.Table({"groups": ["not scored"], "reason": [str(error)]})
        # Not in the report's section on groups, which then says that groups were not compared.
        return (make_display("groups", "Groups were not scored", failure, "", "models"),)
    names = list(dict.fromkeys([parameters.metric.name, *(RATES if parameters.task == "binary" else ())]))
    rows = {group.name: [group.rows, *(group.values[name] for name in names)] for group in scores}
    table = charts.Table.from_dict(rows, orient="index", columns=["rows", *names]).rename_axis("group")
    return (make_display("groups", "Scores by group", table, _CAPTION, "groups"),)
