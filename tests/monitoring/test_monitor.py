"""The monitor stage on a served model's log: verdict, columns, windows, and inputs that cannot be used."""

import contextlib
import datetime
import json
import re

import numpy as np
import pandas as pd
import pytest

from lib import metrics
from lib.errors import DataError
from lib.monitoring.request_rows import read_day
from lib.stages import monitor
from tests import workspaces
from tests.workspaces import NAME, pipeline_in, publish, table

copy_after = workspaces.copy_after
trained = workspaces.trained
with_champion = workspaces.with_champion
with_rivals = workspaces.with_rivals
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(autouse=True)
def without_estimates(monkeypatch):
    """Skip the estimates without labels, which have tests of their own."""
    monkeypatch.setattr("lib.stages._monitored_scores.ScoreEstimator.__init__", lambda *arguments: None)
    monkeypatch.setattr("lib.stages._monitored_scores.ScoreEstimator.estimate", lambda *arguments: None)


NOW = datetime.datetime(2026, 6, 30, 12, tzinfo=datetime.UTC)
FIRST = datetime.date(2026, 4, 1)


@pytest.fixture
def clock(monkeypatch):
    """Stop the clock of the stage."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW

    monkeypatch.setattr(monitor.datetime, "datetime", Clock)  # the module is the same everywhere


def write_log(workspace, weeks, change=lambda rows, week: rows, rows_per_week=240, version="1", first=FIRST):
    """Write the request log of a version that answered some weeks, as the endpoint writes it."""
    pipeline = pipeline_in(workspace)
    registered = pipeline.backend.models(NAME).production()
    folder = pipeline.backend.tracking.model_folder(registered.source, registered.sha256)
    model = pipeline.backend.tracking.load_model(folder)
    for week in range(weeks):
        rows = table(rows_per_week, seed=1_000 + week)[["size", "luck", "colour"]]
        rows = change(rows, week)
        predictions = metrics.predict(model, rows, "binary")
        day = first + datetime.timedelta(days=7 * week + 2)
        times = pd.date_range(f"{day} 08:00", periods=len(rows), freq="s", tz="UTC").as_unit("us")
        log = rows.assign(_time=times, _latency_ms=1.5, _version=version, _prediction=predictions.labels)
        for name, probabilities in zip(predictions.classes, predictions.probabilities.T, strict=True):
            log[f"_probability_{name}"] = probabilities
        path = workspace / "endpoints" / NAME / "requests" / f"day={day}" / f"v{version}-{week}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        log.to_parquet(path)


def look(workspace, **changes):
    """Look at the log as the notebook does, and publish the outputs."""
    pipeline = pipeline_in(workspace, **changes)
    result = pipeline.monitor(changes.get("rows", ""))
    publish(pipeline, state=result.state, verdict=result.verdict, history=result.history)
    return result


def shift_size(rows, week):
    return rows.assign(size=rows["size"] + (1.0 if week >= 6 else 0.0))


def test_a_log_without_drift_is_stable(with_champion, clock):
    write_log(with_champion, 12)
    result = look(with_champion)
    assert result.state == "stable", result.verdict
    assert result.verdict.startswith("stable: version 1, 2,880 rows in 12 windows")
    assert {"size", "luck", "colour", "(prediction)"} == {*result.columns.index}


def test_a_shift_is_found_with_its_column_and_week(with_champion, clock):
    write_log(with_champion, 12, shift_size)
    result = look(with_champion)
    assert result.state == "act"
    assert "size" in result.verdict and "2026-05-15" in result.verdict
    row = result.columns.loc["size"]
    assert row["drifted"] == "yes" and row["used by the model"] == "yes" and row["what changed"] == "values"


def test_rows_to_look_at_are_named_by_request_and_without_values(with_champion, clock, tmp_path):
    write_log(with_champion, 12, shift_size)
    write_labels(with_champion, tmp_path / "labels.csv", weeks=1)
    result = look(with_champion)
    table = result.rows_to_look_at
    assert len(table) == 10 and all(name.startswith("w11-") for name in table.index)
    assert set(table["size"].str.split().str[0]) == {"above"}  # a range, not a value
    assert result.summary["rows_to_look_at"][0] == {"request": table.index[0], "row": 0}


def test_rows_of_a_table_are_named_by_number_and_private_values_are_hidden(with_champion, tmp_path):
    rows = table(400, seed=5).drop(columns=["bought", "price"])
    rows.loc[150:, "size"] += 4.0
    rows.to_csv(tmp_path / "new.csv", index=False)
    result = look(with_champion, rows=str(tmp_path / "new.csv"), private_columns=["size"])
    assert result.state == "act"
    numbers = [entry["row"] for entry in result.summary["rows_to_look_at"]]
    assert len(numbers) == 10 and sum(number >= 150 for number in numbers) >= 8  # a usual row may be as large
    assert set(result.rows_to_look_at["size"]) == {"(private)"}
    assert result.columns.loc["size", "largest change"].startswith("some values: ")


def test_without_a_drift_there_are_no_rows_to_look_at(with_champion, clock):
    write_log(with_champion, 12)
    result = look(with_champion)
    assert "no input or prediction has drifted" in result.rows_to_look_at and result.summary["rows_to_look_at"] == []
    assert any("the test rows have no column of dates" in note for note in result.notes)


def test_a_column_that_the_model_does_not_use_is_a_look_at_most(with_rivals, clock):
    pipeline = pipeline_in(with_rivals)
    publish(pipeline, decision=pipeline.evaluate().decision)  # the model trained on `size` alone wins
    write_log(with_rivals, 12, lambda rows, week: rows.assign(luck=rows["luck"] + (2.0 if week >= 5 else 0)))
    result = look(with_rivals)
    assert result.state == "look" and "luck" in result.verdict
    assert result.columns.loc["luck", "used by the model"] == "no"


@pytest.mark.parametrize(
    "value, kind", [(None, "missing values"), ("mauve", "unknown values")], ids=["missing", "unknown"]
)
def test_missing_and_unknown_values_are_told_apart(with_champion, clock, value, kind):
    def change(rows, week):
        is_changed = (np.arange(len(rows)) % 3 == 0) & (week >= 6)
        return rows.assign(colour=rows["colour"].mask(is_changed, value))

    write_log(with_champion, 12, change)
    result = look(with_champion)
    assert result.state in ("look", "act") and "colour" in result.verdict
    assert result.columns.loc["colour", "what changed"] == kind


def test_later_looks_remember_windows_that_left_the_log(with_champion, clock):
    write_log(with_champion, 12, shift_size)
    before = look(with_champion)
    requests = with_champion / "endpoints" / NAME / "requests"
    for folder in requests.iterdir():
        for path in folder.iterdir():
            path.unlink()
    after = look(with_champion)
    assert after.verdict == before.verdict
    assert after.columns.equals(before.columns)


def test_requests_of_other_versions_do_not_count(with_champion, clock):
    write_log(with_champion, 5)
    write_log(with_champion, 5, shift_size, version="2", first=FIRST - datetime.timedelta(days=28))
    result = look(with_champion)
    assert "1,200 rows" in result.verdict


def test_a_request_in_two_files_counts_once(with_champion):
    write_log(with_champion, 1)
    requests = with_champion / "endpoints" / NAME / "requests"
    (path,) = requests.glob("*/*.parquet")
    path.with_name("v1-9.parquet").write_bytes(path.read_bytes())
    day = datetime.date.fromisoformat(path.parent.name.removeprefix("day="))
    assert len(read_day(requests, day, "1")) == 240


def test_weeks_without_requests_are_noted(with_champion, clock):
    write_log(with_champion, 3)
    result = look(with_champion)
    assert "No requests from 2026-06-12 to 2026-06-18 (UTC)." in result.notes


def test_few_rows_are_too_few_to_say(with_champion, clock):
    write_log(with_champion, 2, rows_per_week=20)
    result = look(with_champion)
    assert result.state == "too few to say" and "at least 50 rows in windows that have ended" in result.verdict


def test_a_table_is_judged_in_place_of_the_log(with_champion, tmp_path):
    rows = table(400, seed=5).drop(columns=["bought", "price"])
    rows.assign(size=rows["size"] + 1.5).to_csv(tmp_path / "new.csv", index=False)
    result = look(with_champion, rows=str(tmp_path / "new.csv"))
    assert result.state == "act" and "size" in result.verdict


def test_columns_that_are_gone_are_noted_and_none_at_all_is_refused(with_champion, tmp_path):
    rows = table(400, seed=5)
    rows[["size"]].to_csv(tmp_path / "one.csv", index=False)
    result = look(with_champion, rows=str(tmp_path / "one.csv"))
    assert any("do not contain them: luck, colour, (prediction)" in note for note in result.notes)
    rows[["size"]].rename(columns={"size": "weight"}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError, match="has none of the columns of the model, size, luck, colour"):
        look(with_champion, rows=str(tmp_path / "other.csv"))


def test_without_a_log_the_message_says_so(with_champion):
    with pytest.raises(DataError, match="There is no request log of small-shop yet"):
        pipeline_in(with_champion).monitor()


def test_without_a_champion_the_message_says_so(trained):
    with pytest.raises(DataError, match="No version of small-shop has the tag production"):
        pipeline_in(trained).monitor()


def test_the_history_is_json_without_rows(with_champion, clock):
    write_log(with_champion, 3)
    pipeline = pipeline_in(with_champion)
    history = pipeline.backend.read_json(pipeline.monitor().history)
    assert json.dumps(history)
    (entry,) = history.values()
    assert {*entry} == {"references", "windows", "label_batches", "scores"} and len(entry["windows"]) > 2


def test_a_table_without_used_columns_is_a_look_at_most(with_rivals, tmp_path):
    pipeline = pipeline_in(with_rivals)
    publish(pipeline, decision=pipeline.evaluate().decision)  # the model trained on `size` alone wins
    pd.DataFrame({"luck": np.full(300, 9.0)}).to_csv(tmp_path / "luck.csv", index=False)
    assert look(with_rivals, rows=str(tmp_path / "luck.csv")).state == "look"


def test_the_same_table_has_the_same_evidence_at_each_look(with_champion, tmp_path):
    table(120, seed=8).to_csv(tmp_path / "new.csv", index=False)
    first, second = (look(with_champion, rows=str(tmp_path / "new.csv")) for _ in range(2))
    assert first.columns.equals(second.columns)


@pytest.mark.parametrize("positive", ["no", "NO "])
def test_the_positive_class_is_found_as_elsewhere(with_champion, clock, positive):
    write_log(with_champion, 12)
    assert look(with_champion, positive_class=positive).state == "stable"


def test_a_column_that_one_window_lacks_keeps_its_evidence(with_champion, clock):
    write_log(with_champion, 12, shift_size)
    requests = sorted((with_champion / "endpoints" / NAME / "requests").glob("*/*.parquet"))
    pd.read_parquet(requests[-1], partitioning=None).drop(columns="size").to_parquet(requests[-1])
    result = look(with_champion)
    assert result.state == "act" and "size" in result.verdict


def test_renamed_columns_are_never_stable(with_champion, tmp_path):
    rows = table(400, seed=5).rename(columns={"size": "weight"})
    rows.drop(columns=["bought", "price"]).to_csv(tmp_path / "new.csv", index=False)
    result = look(with_champion, rows=str(tmp_path / "new.csv"))
    assert result.state != "stable" and "the newest rows have no column size" in result.verdict


def test_a_column_that_goes_from_the_log_is_not_stable(with_champion, clock):
    write_log(with_champion, 12)
    requests = sorted((with_champion / "endpoints" / NAME / "requests").glob("*/*.parquet"))
    pd.read_parquet(requests[-1], partitioning=None).drop(columns="size").to_parquet(requests[-1])
    result = look(with_champion)
    assert result.state == "too few to say" and "the newest rows have no column size" in result.verdict


def test_a_log_that_has_ended_is_not_stable(with_champion, clock):
    write_log(with_champion, 8)
    result = look(with_champion)
    assert result.state == "too few to say" and "no requests since 2026-05-29" in result.verdict


def test_an_empty_table_is_too_few_to_say(with_champion, tmp_path):
    table(1)[["size", "luck", "colour"]].head(0).to_csv(tmp_path / "new.csv", index=False)
    with contextlib.suppress(DataError):  # an empty file may also be refused when it is read
        assert look(with_champion, rows=str(tmp_path / "new.csv")).state == "too few to say"


def test_a_log_from_the_future_is_an_error(with_champion, clock):
    write_log(with_champion, 14)
    with pytest.raises(DataError, match="from 2026-07-03, but on this machine it is 2026-06-30"):
        look(with_champion)


def test_a_version_without_baseline_is_an_error(with_champion, clock, monkeypatch):
    write_log(with_champion, 4)
    monkeypatch.setattr("lib.stages._served_model.BASELINE_FILE", "absent.json")
    with pytest.raises(DataError, match=r"has no absent.json, so there is nothing to compare with"):
        look(with_champion)


def write_labels(workspace, path, weeks, wrong=lambda week: False, key="_request_id"):
    """Give each logged row an id, and write the true values of the rows of some weeks."""
    files = sorted((workspace / "endpoints" / NAME / "requests").glob("*/*.parquet"))
    parts = []
    for week, file in enumerate(files):
        log = pd.read_parquet(file, partitioning=None)
        ids = [f"w{week}-{number}" for number in range(len(log))]
        log.assign(_request_id=ids).to_parquet(file)
        truth = table(len(log), seed=1_000 + week)["bought"]
        if wrong(week):
            truth = truth.sample(frac=1, random_state=week).to_numpy()
        if week < weeks:
            parts.append(pd.DataFrame({key: ids, "bought": truth}))
    pd.concat(parts).to_csv(path, index=False)
    return {"data": str(path), "key": key, "column": "bought"}


def test_labels_give_the_realised_metric_with_its_interval(with_champion, clock, tmp_path):
    write_log(with_champion, 12)
    labels = write_labels(with_champion, tmp_path / "labels.csv", weeks=9)
    result = look(with_champion, labels=labels)
    assert result.state == "stable", result.verdict
    assert result.summary["metric"] == "roc_auc" and result.summary["realised"] is None  # the last weeks have none
    assert result.scores["labels"].tolist() == ["", *["240"] * 9, *["0"] * 3]
    value, low, high = (float(text) for text in re.findall(r"[\d.]+", result.scores["realised"].iloc[1]))
    assert 0.5 < low < value < high < 1


@pytest.mark.slow
def test_late_labels_count_once(with_champion, clock, tmp_path):
    write_log(with_champion, 12)
    for weeks in (5, 5, 12, 12):
        labels = write_labels(with_champion, tmp_path / "labels.csv", weeks=weeks)
        result = look(with_champion, labels=labels)
    history = pipeline_in(with_champion).backend.read_json(result.history)
    (entry,) = history.values()
    assert sum(batch["rows"] for batch in entry["label_batches"]) == 12 * 240
    assert result.scores["labels"].tolist() == ["", *["240"] * 12]


def test_a_changed_relation_to_the_target_is_found_with_labels(with_champion, clock, tmp_path):
    write_log(with_champion, 12)
    assert look(with_champion).state == "stable"
    labels = write_labels(with_champion, tmp_path / "labels.csv", weeks=12, wrong=lambda week: week >= 7)
    result = look(with_champion, labels=labels)
    assert result.state == "act" and "(error)" in result.verdict


def test_labels_that_join_nothing_are_never_stable(with_champion, clock, tmp_path):
    write_log(with_champion, 12)
    labels = write_labels(with_champion, tmp_path / "labels.csv", weeks=12)
    pd.read_csv(tmp_path / "labels.csv").assign(_request_id=range(2_880)).to_csv(tmp_path / "labels.csv", index=False)
    result = look(with_champion, labels=labels)
    assert result.state == "too few to say" and "belongs to any row: the rows have, for example, w0-0" in result.verdict


@pytest.mark.parametrize(
    "change, message",
    [
        ({"key": "order"}, "has no column 'order'"),
        ({"column": "baught"}, "Did you mean 'bought'"),
    ],
    ids=["key", "column"],
)
def test_labels_without_a_column_are_an_error(with_champion, clock, tmp_path, change, message):
    write_log(with_champion, 2)
    labels = write_labels(with_champion, tmp_path / "labels.csv", weeks=2)
    with pytest.raises(DataError, match=message):
        look(with_champion, labels={**labels, **change})


def test_a_repeated_request_counts_once(with_champion):
    write_log(with_champion, 1)
    requests = with_champion / "endpoints" / NAME / "requests"
    (path,) = requests.glob("*/*.parquet")
    log = pd.read_parquet(path, partitioning=None)
    log["_request_id"] = [f"r{number // 2}" for number in range(len(log))]  # requests of two rows
    log["_time"] = log["_time"].to_numpy()[np.arange(len(log)) // 2 * 2]
    again = log.iloc[:20].assign(_time=log["_time"].iloc[:20] + pd.Timedelta(minutes=30))
    other = log.iloc[:2].assign(_time=log["_time"].iloc[:2] + pd.Timedelta(minutes=40), size=7.5)
    pd.concat([log, again, other]).to_parquet(path)
    day = datetime.date.fromisoformat(path.parent.name.removeprefix("day="))
    rows = read_day(requests, day, "1")
    assert len(rows) == 242  # the other rows under a used id are another request
    assert set(rows["_row"]) == {0, 1}
