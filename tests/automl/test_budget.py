"""The time reserved for assembling the best models, which cannot be interrupted."""

import pytest

from lib.automl.trials.time_budget import compute_reserve_seconds


@pytest.mark.parametrize(
    ("budget_seconds", "core_share", "expected"),
    [
        (60, 1.0, 4.8),
        (60, 0.75, 4.8),
        (60, 0.375, 9.6),
        (60, 0.01, 15.0),
        (60, 0.0, 15.0),
        (300, 0.25, 72.0),
        (3_600, 1.0, 60.0),
        (6, 0.5, 1.5),
        (2, 0.1, 1.0),
    ],
    ids=str,
)
def test_busy_machine_reserves_more_time(budget_seconds, core_share, expected):
    assert compute_reserve_seconds(budget_seconds, core_share) == pytest.approx(expected)
