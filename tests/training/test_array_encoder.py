"""The array encoder's features are bit-identical to those of the table encoder."""

import numpy as np
import pandas as pd
import pytest

from lib.training.features import TableEncoder

ROWS = 400


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, ROWS), unit="D")
    frame = pd.DataFrame(
        {
            "number": random.normal(size=ROWS),
            "flag": random.random(ROWS) > 0.5,
            "category": random.choice(["a", "b", " c "], ROWS),
            "code": [f"k{index}" for index in random.integers(0, 60, ROWS)],
            "other_code": random.integers(0, 90, ROWS).astype(str).astype(object),
            "datetime": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 10**7, ROWS), unit="s"),
            "day": days.strftime("%d/%m/%Y"),
            "text": [" ".join(random.choice(list("abcdefghijk"), 6)) + f" {row}" for row in range(ROWS)],
        }
    )
    frame.loc[::7, "number"] = np.nan
    frame.loc[::9, "category"] = None
    frame.loc[::11, "datetime"] = pd.NaT
    return frame


def with_unseen_values(frame):
    """Return rows with values that the training table does not contain."""
    rows = frame.head(6).copy()
    rows.loc[0, ["category", "code"]] = ["never seen", "never seen"]
    rows.loc[1, ["category", "code", "text", "day"]] = None
    rows.loc[2, "number"], rows.loc[3, "number"] = np.inf, -1e300
    rows.loc[4, "category"] = "c"
    rows.loc[5, "datetime"] = pd.NaT
    return rows


def assert_same_features(encoder, rows):
    arrays = {name: values.to_numpy() for name, values in rows.items()}
    assert np.array_equal(encoder.array_encoder()(arrays), encoder.transform(rows), equal_nan=True)


@pytest.mark.parametrize("style", ["trees", "linear"])
@pytest.mark.parametrize("classes", [2, 3, 0])
def test_features_are_identical(table, style, classes):
    random = np.random.default_rng(1)
    target = random.integers(0, classes, ROWS) if classes else random.normal(size=ROWS)
    encoder = TableEncoder(style, bool(classes), 0).fit(table, target)
    for rows in (table, table.head(1), table.iloc[7:24], with_unseen_values(table)):
        assert_same_features(encoder, rows)


def test_features_are_identical_without_codes(table):
    rows = table[["number", "flag", "datetime"]]
    assert_same_features(TableEncoder("trees", True, 0).fit(rows, np.arange(ROWS) % 2), rows)
