"""The encoder detects what a column contains, and reads it into features."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from lib.schema.table_schema import ColumnSchema, TableSchema
from lib.training.features import FeatureError, TableEncoder
from lib.training.features import encoder as encoder_module
from lib.training.features.dates import PARTS, compute_calendar_parts, compute_few_calendar_parts
from lib.training.features.numbers import MAX_MAGNITUDE, parse_numbers
from tests.nasty_tables import as_request_rows, nasty_table


@pytest.fixture(scope="module")
def encoder():
    X, y = nasty_table("binary")
    return TableEncoder().fit(X, y)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("size", "number"),
        ("mixed", "number"),
        ("flag as object", "number"),
        ("whole, some missing", "number"),
        ("colour", "category"),
        ("text type", "category"),
        ("grade as category", "category"),
        ("zip", "code"),
        ("note", "text"),
        ("when in Berlin", "date"),
        ("when as text", "date"),
        ("day", "date"),
    ],
)
def test_column_kind_is_detected(encoder, column, kind):
    assert encoder.columns_[column].kind == kind


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("constant", "always the same value"),
        ("constant text", "always the same value"),
        ("all missing", "all values are missing"),
        ("all None", "all values are missing"),
        ("nearly all missing", "nearly all values are missing"),
        ("id", "a different value in nearly every row"),
    ],
)
def test_excluded_column_has_a_reason(encoder, column, reason):
    assert encoder.excluded_[column] == reason


def test_schema_decides_what_a_column_contains():
    days = ["01/02/2024", "05/02/2024"] * 12
    X = pd.DataFrame({"zip": ["57", "58", "59"] * 8, "size": ["S", "L", "M"] * 8, "when": days})
    y = np.arange(24) % 2
    columns = {
        "zip": ColumnSchema("zip", "code"),
        "size": ColumnSchema("size", "ordered", order=("S", "M", "L")),
        "when": ColumnSchema("when", "datetime", date_format="%m/%d/%Y"),
    }
    for style in ("trees", "linear"):
        inferred = TableEncoder(style).fit(X, y)
        obedient = clone(TableEncoder(style, schema=TableSchema(columns))).fit(X, y)
        assert [column.kind for column in inferred.columns_.values()] == ["number", "category", "date"]
        assert [column.kind for column in obedient.columns_.values()] == ["category", "ordered", "date"]
        assert (inferred.columns_["when"].date_format, obedient.columns_["when"].date_format) == (
            "%d/%m/%Y",
            "%m/%d/%Y",
        )
    sizes = obedient.columns_["size"].to_floats(pd.Series(["S", "M", "L", None])).ravel()
    np.testing.assert_array_equal(sizes, [0, 1, 2, np.nan])
    assert sum(name.startswith("size") for name in obedient.get_feature_names_out()) == 1


@pytest.mark.parametrize("style", ["trees", "linear"])
def test_feature_names_match_the_features(style):
    X, y = nasty_table("multiclass")
    encoder = TableEncoder(style)
    features = encoder.fit_transform(X, y)
    names = list(encoder.get_feature_names_out())
    assert len(names) == len(set(names)) == features.shape[1]
    assert "when_weekday" in names
    assert ("colour_red" in names) is (style == "linear")


@pytest.mark.parametrize("classes", ["binary", "multiclass"])
def test_features_are_in_c_order_despite_exclusions(classes):
    X, y = nasty_table(classes)
    encoder = TableEncoder()
    features = encoder.fit_transform(X, y)
    assert features.flags.c_contiguous
    assert encoder.excluded_
    used_columns = X[list(encoder.columns_)]
    reference = TableEncoder()
    assert np.array_equal(reference.fit_transform(used_columns, y), features, equal_nan=True)
    assert not reference.excluded_


def test_excluded_columns_leave_no_gap():
    rows = 2 * encoder_module._CHUNK_ROWS + 5
    X = pd.DataFrame({"a": np.arange(rows) / 7, "same": 1, "b": np.arange(rows)[::-1] / 3})
    features = TableEncoder().fit_transform(X, np.arange(rows) % 2)
    assert np.array_equal(features, X[["a", "b"]].to_numpy())


def test_codes_are_target_encoded_fold_features():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"code": [f"c{number}" for number in rng.integers(0, 200, 400)]})
    y = rng.integers(0, 2, 400)
    encoder = TableEncoder()
    fold_features = encoder.fit_transform(X, y)[:, 0]
    full_features = encoder.transform(X)[:, 0]
    # The target is noise. Features encoded by folds do not reveal it; those encoded by all rows do.
    assert abs(np.corrcoef(fold_features, y)[0, 1]) < 0.2
    assert np.corrcoef(full_features, y)[0, 1] > 0.5


def test_unseen_code_gets_the_overall_mean():
    X = pd.DataFrame({"code": [f"c{number % 40}" for number in range(400)]})
    y = np.where(np.arange(400) % 40 < 20, 10.0, 20.0)
    encoder = TableEncoder(is_classification=False).fit(X, y)
    assert encoder.transform(pd.DataFrame({"code": ["new"]}))[0, 0] == pytest.approx(15)
    assert encoder.transform(pd.DataFrame({"code": ["c1"]}))[0, 0] == pytest.approx(10, abs=0.5)


def test_numbers_are_parsed():
    values = [
        1,
        "2",
        " 3 ",
        "1e3",
        "$7.25",
        "1,024.50",
        "-$5",
        "n/a",
        "",
        None,
        pd.NA,
        True,
        "false",
        "inf",
        "1e400",
        1e300,
    ]
    expected = [1, 2, 3, 1000, 7.25, 1024.5, -5, *[np.nan] * 4, 1, 0, np.nan, np.nan, MAX_MAGNITUDE]
    np.testing.assert_array_equal(parse_numbers(pd.Series(values, dtype=object)), expected)


def test_calendar_parts_match_pandas():
    times = pd.date_range("1678-01-01 23:10", "2261-12-30", freq="1237h")
    parts = dict(zip(PARTS, compute_calendar_parts(times.to_numpy()), strict=True))
    for part in set(PARTS) - {"days"}:
        np.testing.assert_array_equal(parts[part], getattr(times, part))
    np.testing.assert_allclose(parts["days"], (times - pd.Timestamp(0)) / pd.Timedelta(days=1))
    assert np.isnan(compute_calendar_parts(np.array(["NaT"], dtype="datetime64[ns]"))).all()


def test_calendar_parts_of_few_rows_are_identical():
    times = pd.date_range("1678-01-01 23:10:59.999999999", "2261-12-30", freq="7237h").to_numpy()
    times = np.append(times.astype("datetime64[us]"), np.datetime64("NaT", "us"))
    times = np.append(times, np.array(["0000-12-31", "0001-01-01", "9999-12-31"], dtype="datetime64[us]"))
    for names in (PARTS, ("weekday", "days"), ()):
        np.testing.assert_array_equal(compute_few_calendar_parts(times, names), compute_calendar_parts(times, names))
    assert compute_few_calendar_parts(times[:0]).shape == (len(PARTS), 0)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("when", "2023-06-05T13:00:00"),
        ("when", "2023-06-05T13:00:00.000Z"),
        ("when", "2023-06-05T15:00:00+02:00"),
        ("when in Berlin", "2023-06-05T11:00:00Z"),
        ("when in Berlin", "2023-06-05T13:00:00+02:00"),
        ("when in Berlin", "2023-06-05 13:00"),
        ("when in Berlin", 1685962800000),
    ],
)
def test_datetime_is_read_from_many_formats(encoder, column, text):
    reader = encoder.columns_[column]
    values = pd.Series([text], dtype=object if isinstance(text, str) else None)
    parts = dict(zip(reader.parts, reader.to_floats(values)[0], strict=True))
    assert {part: parts[part] for part in ("year", "month", "day", "weekday", "hour")} == {
        "year": 2023,
        "month": 6,
        "day": 5,
        "weekday": 0,
        "hour": 13,
    }


@pytest.mark.parametrize(
    ("words", "month", "day"),
    [
        (["25/03/2024", "01/02/2024", "00/00/0000", "02/05/2024"] * 5, 2, 1),
        (["03/25/2024", "01/02/2024", "02/05/2024"] * 5, 1, 2),
        (["Mar 25, 2024", "Jan 02, 2024"] * 5, 1, 2),
        (["20240325T000000", "20240102T000000"] * 5, 1, 2),
    ],
)
def test_date_format_is_detected(words, month, day):
    if "00/00/0000" in words:
        words = [*words, *["25/03/2024"] * 40]
    reader = TableEncoder().fit(pd.DataFrame({"day": words}), np.arange(len(words)) % 2).columns_["day"]
    parts = dict(zip(reader.parts, reader.to_floats(pd.Series([words[1]]))[0], strict=True))
    assert (parts["month"], parts["day"]) == (month, day)


def test_leading_zero_prevents_a_number():
    X = pd.DataFrame({"zip": ["00501", "10001", "94103", "02134"] * 10})
    assert TableEncoder().fit(X, np.arange(40) % 2).columns_["zip"].kind == "category"


def test_few_rows_get_the_features_of_many_rows(encoder):
    X, _ = nasty_table("binary", seed=1)
    expected = encoder.transform(X)
    features = np.vstack([encoder.transform(as_request_rows(X.iloc[start : start + 5])) for start in range(0, 25, 5)])
    np.testing.assert_allclose(features, expected[:25])


def test_table_without_usable_column_is_an_error():
    with pytest.raises(FeatureError, match="a: always the same value"):
        TableEncoder().fit(pd.DataFrame({"a": [1, 1, 1]}), np.array([0, 1, 0]))


def test_duplicate_column_is_an_error():
    with pytest.raises(FeatureError, match="these repeat: a"):
        TableEncoder().fit(pd.DataFrame([[1, 2], [2, 3]], columns=["a", "a"]), np.array([0, 1]))


def test_arrow_columns_give_the_same_features():
    X, y = nasty_table("binary", rows=60)
    X = X[["size", "a[b]<c", "flag", "colour", "when", "day"]]
    expected = TableEncoder().fit_transform(X, y)
    features = TableEncoder().fit_transform(X.convert_dtypes(dtype_backend="pyarrow"), y)
    np.testing.assert_allclose(features, expected)
