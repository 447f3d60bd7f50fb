"""The encoder for plain arrays gives the features of the encoder itself, to the last bit."""

import numpy as np
import pandas as pd
import pytest

from lib.training.features import TableEncoder

ROWS = 400


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=ROWS),
            "flag": random.random(ROWS) > 0.5,
            "category": random.choice(["a", "b", " c "], ROWS),
            "code": [f"k{at}" for at in random.integers(0, 60, ROWS)],
            "other_code": random.integers(0, 90, ROWS).astype(str).astype(object),
            "moment": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 10**7, ROWS), unit="s"),
            "day": (pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, ROWS), unit="D")).strftime(
                "%d/%m/%Y"
            ),
            "text": [" ".join(random.choice(list("abcdefghijk"), 6)) + f" {at}" for at in range(ROWS)],
        }
    )
    frame.loc[::7, "number"] = np.nan
    frame.loc[::9, "category"] = None
    frame.loc[::11, "moment"] = pd.NaT
    return frame


def strange(frame):
    """Rows with what training did not have."""
    rows = frame.head(6).copy()
    rows.loc[0, ["category", "code"]] = ["never seen", "never seen"]
    rows.loc[1, ["category", "code", "text", "day"]] = None
    rows.loc[2, "number"], rows.loc[3, "number"] = np.inf, -1e300
    rows.loc[4, "category"] = "c"
    rows.loc[5, "moment"] = pd.NaT
    return rows


@pytest.mark.parametrize("style", ["trees", "linear"])
@pytest.mark.parametrize("classes", [2, 3, 0])
def test_features_are_the_same(table, style, classes):
    random = np.random.default_rng(1)
    target = random.integers(0, classes, ROWS) if classes else random.normal(size=ROWS)
    encoder = TableEncoder(style, bool(classes), 0).fit(table, target)
    direct = encoder.direct()
    for rows in (table, table.head(1), table.iloc[7:24], strange(table)):
        arrays = {name: values.to_numpy() for name, values in rows.items()}
        assert np.array_equal(direct(arrays), encoder.transform(rows), equal_nan=True)


def test_without_codes_nothing_is_looked_up(table):
    rows = table[["number", "flag", "moment"]]
    encoder = TableEncoder("trees", True, 0).fit(rows, np.arange(ROWS) % 2)
    arrays = {name: values.to_numpy() for name, values in rows.items()}
    assert np.array_equal(encoder.direct()(arrays), encoder.transform(rows), equal_nan=True)
