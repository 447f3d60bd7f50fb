"""Bad values: the endpoint refuses them or warns, and monitoring names missing and unknown values."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from lib.monitoring.cells import CATEGORY, NUMBER
from lib.monitoring.changes import MISSING_VALUES, UNKNOWN_VALUES
from lib.scoring.value_warnings import describe_warning
from lib.simulation.clients import Client, make_bodies
from lib.simulation.rows import UNKNOWN, draw_rows, list_used_columns, replace_values
from lib.simulation.use_case import SimulatedUseCase

DESCRIPTION = (
    "Clients send requests that cannot be read, lack a column, or have a text in place of a number, a number far "
    "outside of the training range, or an unknown category. Then a third of a column's values goes missing for two "
    "weeks, and a third of another one's is unknown."
)
_SHARE = 0.33
_QUIET_WEEKS, _BAD_WEEKS = 2, 2


def run(use_case: SimulatedUseCase) -> None:
    """Send bad requests one by one, then weeks with missing and unknown values."""
    rows, _ = use_case.test_rows
    references = use_case.served.make_references()
    columns = use_case.inputs.logged
    numbers, categories = (list_used_columns(references, columns, kind) for kind in (NUMBER, CATEGORY))
    use_case.deploy()
    with contextlib.closing(use_case.new_client()) as client:
        before = client.send(make_bodies(rows.head(1))[0]).content["predictions"]
        _send_bad_requests(use_case, client, rows.head(1), numbers, categories)
        after = client.send(make_bodies(rows.head(1))[0]).content["predictions"]
    use_case.sent_rows += 2
    use_case.timeline.check(
        "A good request is answered as before.", before == after, f"{before} before, and {after} after."
    )
    nullable = [name for name in [*numbers, *categories] if use_case.inputs.accepts_missing(name)]
    texts = [name for name in categories if use_case.inputs.accepts_unknown(name)]
    expected = {name: UNKNOWN_VALUES for name in texts[:1]}
    expected |= {name: MISSING_VALUES for name in nullable[:2] if name not in expected and len(expected) < 2}
    _serve_weeks(use_case, rows, expected)


def _serve_weeks(use_case: SimulatedUseCase, rows: pd.DataFrame, expected: dict[str, str]) -> None:
    """Serve weeks, and check which kind of change monitoring sees in each column."""
    if not expected:
        use_case.timeline.saw("The endpoint refuses missing and unknown values in every column that the model uses.")
        return
    for week in range(_QUIET_WEEKS):
        use_case.serve_week(draw_rows(rows, week), "rows like the test rows.")
    for week in range(_QUIET_WEEKS, _QUIET_WEEKS + _BAD_WEEKS):
        drawn = draw_rows(rows, week)
        for number, (name, kind) in enumerate(expected.items()):
            value = UNKNOWN if kind == UNKNOWN_VALUES else None
            drawn = replace_values(drawn, name, value, _SHARE, seed=10 * week + number)
        what = " and ".join(f"{kind} in {name}" for name, kind in expected.items())
        use_case.serve_week(drawn, f"a third of the rows with {what}.")
    result = use_case.monitor("Look after the weeks with bad values")
    kinds = {drift["column"]: drift["kind"] for drift in result["drifted"]}
    for name, kind in expected.items():
        use_case.timeline.check(
            f"Monitor names the {kind} of {name}, apart from other drifts.",
            kinds.get(name) == kind,
            f"{name}: {kinds.get(name, 'not named')}.",
        )


def _send_bad_requests(
    use_case: SimulatedUseCase, client: Client, row: pd.DataFrame, numbers: list[str], categories: list[str]
) -> None:
    """Send one bad request of each kind, and check each answer."""
    for text, body, column in _list_invalid(row, numbers):
        use_case.timeline.did(f"Sent {text}.")
        answer = client.send(body)
        message = answer.error.partition(". ")[0]
        use_case.timeline.saw(f"Status {answer.status}: {message}.")
        use_case.timeline.check(
            f"The endpoint refuses {text} and names the fault.",
            400 <= answer.status < 500 and column in answer.error,
            f"Status {answer.status}: {message}.",
        )
    for text, name, value in _list_unusual(row, numbers, categories):
        use_case.timeline.did(f"Sent {text}.")
        answer = client.send(_body_with(row, name, value))
        use_case.sent_rows += answer.is_success
        message = answer.error or "; ".join(map(describe_warning, answer.warnings)) or "no warning"
        use_case.timeline.saw(f"Status {answer.status}: {message}.")
        warned = [warning["column"] for warning in answer.warnings]
        is_named = name in (warned if answer.is_success else answer.error)
        use_case.timeline.check(
            f"The endpoint warns of {text}, or refuses it, and names the column.",
            is_named and answer.status < 500,
            f"Status {answer.status}: {message}.",
        )


def _list_invalid(row: pd.DataFrame, numbers: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield description, body, and a word of the expected message, for each request that must be refused."""
    yield "a request that is not JSON", "size=1", "JSON"
    column = str(row.columns[0])
    yield f"a row without {column}", make_bodies(row.drop(columns=column))[0], column
    if numbers:
        yield f"a text in place of the number {numbers[0]}", _body_with(row, numbers[0], "forty"), numbers[0]


def _list_unusual(row: pd.DataFrame, numbers: list[str], categories: list[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield description, column and value of each valid value that is unusual."""
    if numbers:
        yield f"a number far outside of the training range in {numbers[0]}", numbers[0], 1e9
    if categories:
        yield f"an unknown category in {categories[0]}", categories[0], UNKNOWN


def _body_with(row: pd.DataFrame, column: str, value: Any) -> str:
    """Return the body of a request with one value replaced."""
    body = json.loads(make_bodies(row)[0])
    data = body["input_data"]
    data["data"][0][data["columns"].index(column)] = value
    return json.dumps(body)
