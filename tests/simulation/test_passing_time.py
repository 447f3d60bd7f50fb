"""Time that passes in a copy: rows of the log and windows of looks become older, and nothing else changes."""

import json

import pandas as pd

from lib.simulation.passing_time import move_back


def write_log(folder, day, **columns):
    """Write a file of the request log."""
    path = folder / f"day={day}" / "v1-1.parquet"
    path.parent.mkdir(parents=True)
    times = pd.to_datetime([f"{day} 23:59:59", f"{day} 00:00:00"], utc=True).as_unit("us")
    pd.DataFrame({"size": [1.0, 2.0], "_request_id": ["a", "b"], **columns}).assign(_time=times).to_parquet(path)


def test_rows_move_by_whole_days(tmp_path):
    write_log(tmp_path, "2026-03-01")
    write_log(tmp_path, "2026-03-02")
    move_back(tmp_path, tmp_path / "absent.json", 1)  # a day moves into the folder of another one, which has moved
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day=2026-02-28", "day=2026-03-01"]
    rows = pd.read_parquet(tmp_path / "day=2026-02-28" / "v1-1.parquet", partitioning=None)
    assert rows["_time"].dt.strftime("%Y-%m-%d %H:%M:%S").tolist() == ["2026-02-28 23:59:59", "2026-02-28 00:00:00"]
    assert rows["size"].tolist() == [1.0, 2.0] and rows["_request_id"].tolist() == ["a", "b"]


def test_the_time_of_the_log_moves_and_not_a_column_of_the_model(tmp_path):
    path = tmp_path / "day=2026-03-01" / "v1-1.parquet"
    path.parent.mkdir(parents=True)
    time = pd.to_datetime(["2026-03-01 10:00"], utc=True)
    pd.DataFrame({"_time": [5.0], "__time": time}).to_parquet(path)
    move_back(tmp_path, tmp_path / "absent.json", 7)
    rows = pd.read_parquet(tmp_path / "day=2026-02-22" / "v1-1.parquet", partitioning=None)
    assert rows["_time"].tolist() == [5.0] and rows["__time"].dt.day.tolist() == [22]


def test_windows_of_looks_move_with_the_rows(tmp_path):
    window = {"start": "2026-03-01T00:00:00+00:00", "end": "2026-03-08T00:00:00+00:00", "rows": 5}
    history = tmp_path / "history.json"
    history.write_text(json.dumps({"1 abc": {"windows": [window], "references": {"start": {"counts": [1]}}}}))
    move_back(tmp_path, history, 7)
    moved = json.loads(history.read_text())["1 abc"]
    assert moved["windows"] == [{"start": "2026-02-22T00:00:00+00:00", "end": "2026-03-01T00:00:00+00:00", "rows": 5}]
    assert moved["references"] == {"start": {"counts": [1]}}
