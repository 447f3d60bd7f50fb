"""Every awkward table is read correctly with a note, or refused with a clear message."""

import csv
import os
from pathlib import Path

import pytest

from lib import backends
from lib.errors import InputError
from lib.parameters import Parameters, check_given
from lib.pipelines.base import BasePipeline
from lib.stages import preprocess
from tests.tables.awkward import awkward_files
from tests.workspaces import parameters_for

FOLDER = os.environ.get("MILLRACE_TABLES")
METRICS = {"binary": "roc_auc", "multiclass": "f1_macro", "regression": "r2"}


def run_preprocess(file, target, task, workspace):
    """Preprocess a file, and return the result, the training rows and the test rows."""
    given = {"data": str(file), "target_column": target, "task": task, "primary_metric": METRICS[task]}
    parameters = Parameters(check_given(parameters_for(workspace, drop_columns=[], **given)))
    backend = backends.connect(parameters)
    result = preprocess.run(BasePipeline(parameters, backend), backend, parameters)
    return result, backend.read_table(result.train_data), backend.read_table(result.test_data)


@pytest.mark.parametrize("awkward", list(awkward_files()), ids=lambda awkward: awkward.file)
def test_awkward_tables_are_read_or_refused(awkward, tmp_path):
    file = tmp_path / awkward.file
    file.write_bytes(awkward.content)
    if awkward.refused:
        with pytest.raises(InputError, match=awkward.refused) as error:
            run_preprocess(file, awkward.target, awkward.task, tmp_path / "workspace")
        assert awkward.file in str(error.value) or awkward.target in str(error.value) or "rows" in str(error.value)
        return
    result, train, test = run_preprocess(file, awkward.target, awkward.task, tmp_path / "workspace")
    assert (len(train) + len(test), train.shape[1]) == (awkward.rows, awkward.columns)
    for name, allowed_kinds in awkward.dtype_kinds:
        assert train[name].dtype.kind in allowed_kinds, name
    assert awkward.note in " ".join(result.sizes["details"])


def test_codes_keep_leading_zeros_and_all_digits(tmp_path):
    files = {awkward.file: awkward for awkward in awkward_files()}
    for name, column, value in (("codes.csv", "zip", "00037"), ("long numbers.csv", "card", "410000000000000001")):
        file = tmp_path / name
        file.write_bytes(files[name].content)
        _, train, test = run_preprocess(file, "species", "multiclass", tmp_path / "workspace")
        assert value in {*train[column].astype(str), *test[column].astype(str)}


def test_points_separate_thousands_beside_decimal_commas(tmp_path):
    awkward = next(awkward for awkward in awkward_files() if awkward.file == "thousands.csv")
    file = tmp_path / awkward.file
    file.write_bytes(awkward.content)
    _, train, _ = run_preprocess(file, "species", "multiclass", tmp_path / "workspace")
    assert train["mass"].between(2_000, 7_000).all() and train["culmen"].between(30, 60).all()


def read_index():
    if not FOLDER:
        return []
    with (Path(FOLDER) / "INDEX.tsv").open(encoding="utf-8") as file:
        return [entry for entry in csv.DictReader(file, delimiter="\t") if entry["task"] in METRICS]


@pytest.mark.skipif(not FOLDER, reason="MILLRACE_TABLES is not set to a folder of awkward tables")
@pytest.mark.parametrize("entry", read_index(), ids=lambda entry: entry["file"])
def test_tables_of_the_folder_meet_expectations(entry, tmp_path):
    try:
        _, train, test = run_preprocess(
            Path(FOLDER) / entry["file"], entry["target"], entry["task"], tmp_path / "workspace"
        )
    except InputError as error:
        # The index allows refusing NUL bytes: reading half a number would be worse.
        assert entry["expect"] == "error" or "NUL byte" in str(error)
        assert "Traceback" not in str(error)
        return
    assert entry["expect"] == "ok"
    left_out = int(entry["rows_expected"]) - len(train) - len(test)
    assert left_out == {"target_missing_5pct.csv": 45, "regression_target_missing_5pct.csv": 67}.get(entry["file"], 0)
    assert train.shape[1] == int(entry["columns_expected"]) - (entry["file"] == "unnamed_0.csv")
