"""The relation between inputs and target changes: it is seen as soon as labels come, and not before."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from lib.monitoring.estimates import CONCEPT_DRIFT
from lib.monitoring.reference import ERROR
from lib.simulation.rows import draw_rows
from lib.simulation.use_case import SimulatedUseCase

DESCRIPTION = (
    "Requests like the test rows come for six weeks. From the fourth week on, their true values no longer have to do "
    "with the inputs: each row gets the true value of another one. The labels come at the end."
)
_WEEKS, _FIRST_CHANGED = 6, 3


def run(use_case: SimulatedUseCase) -> None:
    """Serve weeks, look without labels, and then with them."""
    rows, truth = use_case.test_rows
    by_row = pd.Series(truth, index=rows.index)
    use_case.deploy()
    labels = []
    for week in range(_WEEKS):
        drawn = draw_rows(rows, week)
        values = by_row.loc[drawn.index].to_numpy()
        if week >= _FIRST_CHANGED:
            values = np.random.default_rng(week).permutation(values)
        ids = use_case.serve_week(drawn, f"rows like the test rows, week {week + 1}.")
        labels.append(pd.DataFrame({"_request_id": ids, "label": values}))
    blind = use_case.monitor("Look without labels")
    use_case.timeline.check(
        "Without labels, the change cannot be seen, and monitor does not say act.",
        blind["state"] != "act",
        f"It says {blind['state']}.",
    )
    is_named = use_case.newest_page_contains(CONCEPT_DRIFT)
    use_case.timeline.check(
        "The page says so.", is_named, f"The page {'says' if is_named else 'does not say'}: {CONCEPT_DRIFT}"
    )
    _look_with_labels(use_case, pd.concat(labels))


def _look_with_labels(use_case: SimulatedUseCase, labels: pd.DataFrame) -> None:
    """Write the labels, look again, and check what the look says."""
    path = use_case.folder / "labels.csv"
    labels.to_csv(path, index=False)
    use_case.timeline.did(f"The {len(labels):,} labels come.")
    settings = {"data": str(path), "key": "_request_id", "column": "label"}
    result = use_case.monitor("Look with labels", f"labels={json.dumps(settings)}")
    named = [drift["column"] for drift in result["drifted"]]
    use_case.timeline.check("With labels, monitor says act.", result["state"] == "act", f"It says {result['state']}.")
    use_case.timeline.check(
        "It names the error of the model, not its inputs.",
        named == [ERROR],
        f"It names {', '.join(named) or 'nothing'}.",
    )
    realised = [score["realised"]["value"] for score in result["scores"] if score["realised"]]
    promised = result["promised"]["value"]
    before, after = (float(np.mean(part)) for part in (realised[:_FIRST_CHANGED], realised[_FIRST_CHANGED:]))
    use_case.timeline.check(
        f"The realised {result['metric']} is near the promised one before the change, and far from it after.",
        abs(before - promised) < abs(after - promised) / 2,
        f"Promised {promised:.3f}, realised {before:.3f} before the change and {after:.3f} after it.",
    )
