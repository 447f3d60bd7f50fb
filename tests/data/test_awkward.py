"""Every kind of awkward table ends as it should: read right and said so, or refused plainly."""

import csv
import os
from pathlib import Path

import pytest

from lib import backends
from lib.errors import InputError
from lib.parameters import Parameters, check_given
from lib.pipelines.base import BasePipeline
from lib.stages import preprocess
from tests.data.awkward import kinds
from tests.workspaces import parameters_for

FOLDER = os.environ.get("MILLRACE_TABLES")
METRICS = {"binary": "roc_auc", "multiclass": "f1_macro", "regression": "r2"}


def preprocessed(file, target, task, workspace):
    """What preprocess makes of a file, and its training and test rows."""
    given = {"data": str(file), "target_column": target, "task": task, "primary_metric": METRICS[task]}
    parameters = Parameters(check_given(parameters_for(workspace, drop_columns=[], **given)))
    backend = backends.connect(parameters)
    done = preprocess.run(BasePipeline(parameters, backend), backend, parameters)
    return done, backend.read_table(done.train_data), backend.read_table(done.test_data)


@pytest.mark.parametrize("one", kinds(), ids=lambda one: one.file)
def test_each_kind_made_of_a_bundled_table(one, tmp_path):
    file = tmp_path / one.file
    file.write_bytes(one.content)
    if one.refused:
        with pytest.raises(InputError, match=one.refused) as error:
            preprocessed(file, one.target, one.task, tmp_path / "workspace")
        assert one.file in str(error.value) or one.target in str(error.value) or "rows" in str(error.value)
        return
    done, train, test = preprocessed(file, one.target, one.task, tmp_path / "workspace")
    assert (len(train) + len(test), train.shape[1]) == (one.rows, one.columns)
    for name, allowed in one.kinds:
        assert train[name].dtype.kind in allowed, name
    assert one.told in " ".join(done.sizes["what"])


def test_a_code_keeps_its_zeros_and_a_long_number_its_digits(tmp_path):
    files = {one.file: one for one in kinds()}
    for name, column, value in (("codes.csv", "zip", "00037"), ("long numbers.csv", "card", "410000000000000001")):
        file = tmp_path / name
        file.write_bytes(files[name].content)
        _, train, test = preprocessed(file, "species", "multiclass", tmp_path / "workspace")
        assert value in {*train[column].astype(str), *test[column].astype(str)}


def test_points_part_thousands_where_the_comma_is_the_decimal_mark(tmp_path):
    one = next(one for one in kinds() if one.file == "thousands.csv")
    file = tmp_path / one.file
    file.write_bytes(one.content)
    _, train, _ = preprocessed(file, "species", "multiclass", tmp_path / "workspace")
    assert train["mass"].between(2_000, 7_000).all() and train["culmen"].between(30, 60).all()


def index():
    if not FOLDER:
        return []
    with (Path(FOLDER) / "INDEX.tsv").open(encoding="utf-8") as file:
        return [entry for entry in csv.DictReader(file, delimiter="\t") if entry["task"] in METRICS]


@pytest.mark.skipif(not FOLDER, reason="MILLRACE_TABLES names no folder of awkward tables")
@pytest.mark.parametrize("entry", index(), ids=lambda entry: entry["file"])
def test_each_table_of_the_folder(entry, tmp_path):
    try:
        _, train, test = preprocessed(
            Path(FOLDER) / entry["file"], entry["target"], entry["task"], tmp_path / "workspace"
        )
    except InputError as error:
        # A NUL byte may be refused by its line, which the folder allows: half a number is worse.
        assert entry["expect"] == "error" or "NUL byte" in str(error)
        assert "Traceback" not in str(error)
        return
    assert entry["expect"] == "ok"
    left_out = int(entry["rows_expected"]) - len(train) - len(test)
    assert left_out == {"target_missing_5pct.csv": 45, "regression_target_missing_5pct.csv": 67}.get(entry["file"], 0)
    assert train.shape[1] == int(entry["columns_expected"]) - (entry["file"] == "unnamed_0.csv")
