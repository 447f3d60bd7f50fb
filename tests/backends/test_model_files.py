"""Model folders of another release: what the user is told."""

import sys
import types

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from lib.backends import model_files
from lib.backends.model_files import IncompatibleModelError
from lib.invocation import version

ROWS = pd.DataFrame({"size": np.arange(20.0)})


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Return a function that saves a model whose first step is a function of a module that is gone afterwards."""

    def save(is_gone):
        module = types.ModuleType("renamed_module")
        exec("def double(rows):\n    return rows * 2", module.__dict__)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        model = make_pipeline(FunctionTransformer(module.double), LinearRegression()).fit(ROWS, ROWS["size"])
        model_files.save(model, tmp_path / "model", ROWS.head(), ROWS)
        if is_gone:
            del sys.modules[module.__name__]
        return tmp_path / "model"

    return save


def forget_version(folder):
    """Remove what earlier releases did not write."""
    path = folder / "MLmodel"
    description = yaml.safe_load(path.read_text())
    del description["metadata"]
    description["utc_time_created"] = "2026-11-28 10:00:00.123456"
    path.write_text(yaml.safe_dump(description))


def test_model_of_this_release_is_loaded(save):
    assert model_files.load(save(is_gone=False)).predict(ROWS.head(2)).round(6).tolist() == [0, 1]


def test_model_with_a_missing_module_names_its_release(save):
    folder = save(is_gone=True)
    message = (
        rf"saved by Millrace {version()} on 20.* does not work with this release.*"
        r"No module named 'renamed_module'.*Train it again: .*--from train"
    )
    with pytest.raises(IncompatibleModelError, match=message):
        model_files.load(folder)


def test_earlier_release_without_a_version_is_described_by_its_date(save):
    folder = save(is_gone=False)
    forget_version(folder)
    assert model_files.describe_writer(folder) == "an earlier release of Millrace on 2026-11-28"


def test_failure_with_this_code_keeps_its_error(save):
    with pytest.raises(AttributeError, match="no attribute"), model_files.explain_incompatibility(save(is_gone=False)):
        LinearRegression().predict_proba(ROWS)


def test_failure_with_other_code_names_the_release(save):
    folder = save(is_gone=False)
    with (folder / "code" / "lib" / "scoring" / "columns.py").open("a") as file:
        file.write("# another release\n")
    with (
        pytest.raises(IncompatibleModelError, match="AttributeError.*no attribute"),
        model_files.explain_incompatibility(folder),
    ):
        LinearRegression().predict_proba(ROWS)
