"""What of the budget is kept for putting the best models together, which nothing can end early."""

import pytest

from lib.automl.portfolio import reserved


@pytest.mark.parametrize(
    ("budget", "core", "seconds"),
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
def test_more_is_kept_where_others_have_the_cores(budget, core, seconds):
    assert reserved(budget, core) == pytest.approx(seconds)
