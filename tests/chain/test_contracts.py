"""What does not fit between notebooks, pipelines, training functions and parameters is said before a kernel starts."""

import json
import shutil

import pytest

from lib import backends
from lib.chain import contracts, notebooks
from lib.errors import ParameterError
from lib.parameters import SPECS, load
from lib.paths import ROOT

FLIGHTS = ROOT / "parameters" / "flights.yaml"
SMALL = ["name=shop", "data=data/penguins_raw.csv", "target_column=Species", "task=binary", "primary_metric=roc_auc"]


def faults_of(*assignments, files=(), chain=None):
    """Every fault of the parameters, given as on the command line."""
    with pytest.raises(ParameterError) as caught:
        contracts.checked(load(files, [*([] if files else SMALL), *assignments]), chain or notebooks.all_of())
    return caught.value.faults


@pytest.fixture
def chain(tmp_path):
    """The chain, one of its notebooks with a text of its code replaced."""

    def read(name="", old="", new=""):
        folder = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", dirs_exist_ok=True)
        if name:
            text = (folder / name).read_text(encoding="utf-8")
            old, new = (json.dumps(one, ensure_ascii=False)[1:-1] for one in (old, new))
            assert text.count(old) >= 1
            (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        return notebooks.all_of(folder)

    return read


class TestNotebooks:
    def test_those_of_the_project_fit(self, chain):
        assert contracts.notebook_faults(notebooks.all_of()) == []
        assert contracts.notebook_faults(chain()) == []

    def test_a_parameter_that_nobody_gives_is_named_with_the_nearest_one(self, chain):
        faults = contracts.notebook_faults(chain("03_train.ipynb", "seed: int = 42", "sead: int = 42"))
        (fault,) = faults
        assert "03_train.ipynb: nothing gives the parameter sead. Did you mean 'seed'?" in fault

    def test_an_input_that_only_a_later_notebook_hands_on_is_given_by_nobody(self, chain):
        faults = contracts.notebook_faults(
            chain("02_preprocess.ipynb", "seed: int = 42", 'decision: str = ""  # of evaluate\nseed: int = 42')
        )
        assert ["02_preprocess.ipynb: nothing gives the parameter decision" in fault for fault in faults] == [True]

    def test_an_output_that_nobody_reads(self, chain):
        (fault,) = contracts.notebook_faults(
            chain("02_preprocess.ipynb", "    baseline=prepared", "    base_line=prepared")
        )[:1]
        assert (
            "02_preprocess.ipynb hands on base_line, which no later notebook reads. Did you mean 'baseline'?" in fault
        )

    def test_an_input_that_is_not_handed_on_any_more(self, chain):
        faults = contracts.notebook_faults(chain("02_preprocess.ipynb", "    baseline=prepared.baseline,\n", ""))
        assert len(faults) == 2  # train and evaluate both read it
        assert all("nothing gives the parameter baseline" in fault for fault in faults)

    @pytest.mark.parametrize(("old", "new"), [("seed: int", "seed: float"), ("task: str", "task: list")])
    def test_another_type_than_that_of_the_parameter(self, chain, old, new):
        (fault,) = contracts.notebook_faults(chain("02_preprocess.ipynb", old, new))
        name, kind = old.split(": ")
        assert f"02_preprocess.ipynb: {name} is of type {kind}, not {new.split(': ')[1]}." in fault

    def test_faults_of_notebooks_and_of_parameters_come_together(self, chain):
        broken = chain("03_train.ipynb", "seed: int = 42", "sead: int = 42")
        faults = faults_of("test_fraction=7", "tset_fraction=0.2", chain=broken)
        assert len(faults) == 3
        for part in ("test_fraction (-p): 7.0 is out of range", "tset_fraction (-p) is no parameter", "parameter sead"):
            assert any(part in fault for fault in faults)


class TestOptions:
    def test_those_of_the_example_fit(self):
        assert contracts.checked(load([FLIGHTS]), notebooks.all_of()).options["late_after_minutes"] == 15

    def test_one_that_the_pipeline_does_not_ask_for(self):
        (fault,) = faults_of("options.weather_date=here.csv", files=[FLIGHTS])
        assert "options: weather_date is no option of lib/pipelines/flights.py. Did you mean 'weather_data'?" in fault

    def test_one_for_a_pipeline_that_asks_for_none(self):
        (fault,) = faults_of("options.anything=1")
        assert fault == "options: anything is no option of lib/pipelines/base.py. Known: none."

    def test_those_that_are_missing(self):
        faults = faults_of("pipeline=flights")
        assert ["needs weather_data (str)" in fault for fault in faults] == [True, False]
        assert ["needs late_after_minutes (int). Add it under options" in fault for fault in faults] == [False, True]

    @pytest.mark.parametrize(
        ("assignment", "said"),
        [
            ("options.late_after_minutes=soon", "late_after_minutes is 'soon'; expected int"),
            ("options.late_after_minutes=true", "late_after_minutes is True; expected int"),
            ("options.weather_data=7", "weather_data is 7; expected str"),
        ],
    )
    def test_one_of_another_type(self, assignment, said):
        (fault,) = faults_of(assignment, files=[FLIGHTS])
        assert said in fault

    def test_a_pipeline_that_is_none_is_told_once(self):
        (fault,) = faults_of("pipeline=fligths", "options.anything=1")
        assert "there is no pipeline 'fligths'. Did you mean 'flights'" in fault


class TestHyperparameters:
    @pytest.mark.parametrize(
        ("assignment", "said"),
        [
            (
                "hyperparameters.linear.regularization=2",
                "lib/training/linear.py takes no regularization. Did you mean 'regularisation'? Known: regularisation.",
            ),
            ("hyperparameters.linear.regularisation=much", "linear.regularisation is 'much'; expected float."),
            ("hyperparameters.linear.regularisation=true", "linear.regularisation is True; expected float."),
            ("hyperparameters.random_forest.n_estimators=2.5", "random_forest.n_estimators is 2.5; expected int."),
            ("hyperparameters.linear=3", "linear is 3; expected a mapping such as {max_iter: 200}."),
        ],
    )
    def test_one_that_a_training_function_cannot_take(self, assignment, said):
        (fault,) = faults_of(assignment)
        assert fault == f"hyperparameters: {said}"

    def test_those_of_a_function_that_does_not_train(self):
        (fault,) = faults_of("training_functions=[linear]", "hyperparameters.xgboost.max_depth=3")
        assert "hyperparameters: xgboost is not in training_functions. " in fault

    def test_a_whole_number_is_a_number(self):
        layers = load([], [*SMALL, "hyperparameters.linear.regularisation=2"])
        assert contracts.checked(layers, notebooks.all_of()).hyperparameters == {"linear": {"regularisation": 2}}

    def test_no_mapping_at_all_is_told_once(self):
        assert len(faults_of("hyperparameters=[linear]")) == 1


class TestNames:
    @pytest.mark.parametrize(
        ("assignment", "said"),
        [
            ("training_functions=[linaer]", "there is no training function 'linaer'. Did you mean 'linear'?"),
            ("backend=lokal", "there is no backend 'lokal'. Did you mean 'local'?"),
            ("pipeline=bose", "there is no pipeline 'bose'. Did you mean 'base'?"),
            ("primary_metric=roc_acu", "Did you mean 'roc_auc'?"),
        ],
    )
    def test_a_name_that_is_none_is_told_with_the_nearest_one(self, assignment, said):
        (fault,) = faults_of(assignment)
        assert said in fault

    def test_a_missing_table_is_told_before_anything_runs(self):
        (fault,) = faults_of("data=data/penguins.csv")
        assert fault.startswith("data: There is no file data/penguins.csv")
        assert "Did you mean 'penguins_raw.csv'" in fault


@pytest.mark.parametrize("file", sorted((ROOT / "parameters").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_bundled_use_case_fits(file):
    if file.stem == "base":
        assert load([]).values.keys() == SPECS.keys()
    elif file.stem in backends.available():  # a profile, to lay over a use case
        workspace = [f"subscription_id={'0' * 8}-1111-2222-3333-{'4' * 12}", "resource_group=rg", "workspace_name=mlw"]
        layers = load([file.with_name("flights.yaml"), file], workspace)
        assert contracts.checked(layers, notebooks.all_of()).azure["resource_group"] == "rg"
    else:
        assert contracts.checked(load([file]), notebooks.all_of()).data


def test_what_is_read_from_text_is_what_the_code_says():
    """Options and hyperparameters are read without importing; here the import is the judge."""
    import inspect

    from lib import training
    from lib.pipelines.flights import FlightsPipeline

    options = contracts._class_options(ROOT / "lib" / "pipelines" / "flights.py")
    assert options == {name: kind.__name__ for name, kind in FlightsPipeline.OPTIONS.items()}
    for name in training.available():
        known = contracts._keyword_arguments(ROOT / "lib" / "training" / f"{name}.py")
        parameters = inspect.signature(training.get(name)).parameters.values()
        assert list(known) == [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
