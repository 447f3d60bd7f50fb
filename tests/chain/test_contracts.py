"""Notebooks, pipelines, training functions and parameters are checked against each other before a kernel starts."""

import json
import shutil

import pytest

from lib import backends
from lib.chain import contracts, failures, notebooks
from lib.errors import ParameterError
from lib.parameters import SPECS, load
from lib.paths import ROOT
from lib.pipelines import _signatures
from tests.chain.small_notebooks import cell_statuses, code_of, errors_of, notebook

FLIGHTS = ROOT / "parameters" / "flights.yaml"
SMALL = ["name=shop", "data=data/penguins_raw.csv", "target_column=Species", "task=binary", "primary_metric=roc_auc"]


def faults_of(*assignments, files=(), chain=None):
    """Return all faults of parameters, given as on the command line."""
    with pytest.raises(ParameterError) as caught:
        contracts.resolve_parameters(
            load(files, [*([] if files else SMALL), *assignments]), chain or notebooks.read_all()
        )
    return caught.value.faults


OVERRIDES_LINE = "overrides = {}"  # in the parameters cell of every notebook


@pytest.fixture
def changed(tmp_path):
    """Return a function that copies the notebooks, replaces a text in one of them, and reads the copies."""

    def read(name="", old="", new=""):
        folder = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", dirs_exist_ok=True)
        if name:
            text = (folder / name).read_text(encoding="utf-8")
            old, new = (json.dumps(part, ensure_ascii=False)[1:-1] for part in (old, new))
            assert text.count(old) >= 1
            (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        return notebooks.read_all(folder)

    read.folder = tmp_path / "notebooks"
    return read


class TestNotebooks:
    def test_notebooks_of_the_project_fit_together(self, changed):
        assert contracts.find_notebook_faults(notebooks.read_all()) == []
        assert contracts.find_notebook_faults(changed()) == []

    def test_unknown_parameter_is_reported_with_the_nearest(self, changed):
        (fault,) = contracts.find_notebook_faults(
            changed("03_train.ipynb", OVERRIDES_LINE, f"{OVERRIDES_LINE}\nsead = 42")
        )
        assert "03_train.ipynb: nothing sets the parameter sead. Did you mean 'seed'?" in fault

    def test_input_from_a_later_notebook_is_refused(self, changed):
        (fault,) = contracts.find_notebook_faults(
            changed("02_preprocess.ipynb", OVERRIDES_LINE, f'{OVERRIDES_LINE}\ndecision = ""')
        )
        assert "02_preprocess.ipynb: the parameter decision is an output of evaluate, which runs later" in fault

    def test_output_without_a_reader_is_reported(self, changed):
        chain = changed("02_preprocess.ipynb", "baseline=prepared", "base_line=prepared")
        fault = contracts.find_notebook_faults(chain)[0]
        assert (
            "02_preprocess.ipynb publishes base_line, which no later notebook reads. Did you mean 'baseline'?" in fault
        )

    def test_input_that_is_not_published_is_reported(self, changed):
        faults = contracts.find_notebook_faults(changed("02_preprocess.ipynb", ", baseline=prepared.baseline", ""))
        assert len(faults) == 3  # automl, train and evaluate read it
        assert all("nothing sets the parameter baseline" in fault for fault in faults)

    @pytest.mark.parametrize(("line", "kind"), [("seed = 42.0", "float"), ("seed: str = ''", "str")])
    def test_other_type_than_the_parameter_is_reported(self, changed, line, kind):
        (fault,) = contracts.find_notebook_faults(
            changed("02_preprocess.ipynb", OVERRIDES_LINE, f"{OVERRIDES_LINE}\n{line}")
        )
        assert f"02_preprocess.ipynb: seed is declared as {kind}; expected int." in fault

    def test_faults_of_notebooks_and_parameters_are_reported_together(self, changed):
        broken = changed("03_train.ipynb", OVERRIDES_LINE, f"{OVERRIDES_LINE}\nsead = 42")
        faults = faults_of("test_fraction=7", "tset_fraction=0.2", chain=broken)
        assert len(faults) == 3
        for part in (
            "test_fraction (-p): 7.0 is out of range",
            "tset_fraction (-p) is not a parameter",
            "parameter sead",
        ):
            assert any(part in fault for fault in faults)

    @pytest.mark.parametrize("line", ['seed: int = "42"', "seed: int = True"])
    def test_default_of_another_type_than_its_annotation_is_reported(self, changed, line):
        (fault,) = contracts.find_notebook_faults(
            changed("02_preprocess.ipynb", OVERRIDES_LINE, f"{OVERRIDES_LINE}\n{line}")
        )
        assert "02_preprocess.ipynb: the default of seed is " in fault and "; expected int." in fault

    def test_whole_numbers_are_floats_and_null_has_any_type(self, changed):
        for line in ("test_fraction: float = 1", "min_score: float = None"):
            assert (
                contracts.find_notebook_faults(
                    changed("02_preprocess.ipynb", OVERRIDES_LINE, f"{OVERRIDES_LINE}\n{line}")
                )
                == []
            )

    def test_readers_that_disagree_on_a_type_are_reported(self, changed):
        (fault,) = contracts.find_notebook_faults(changed("04_evaluate.ipynb", 'baseline = ""', "baseline = {}"))
        assert (
            "02_preprocess.ipynb publishes baseline, but later notebooks expect different types of it: str and dict."
            in fault
        )

    def test_stage_that_declares_no_parameters_is_reported(self, changed):
        notebook(changed.folder, "06_other.ipynb", parameters="use_case = ''\noverrides = {}")
        (fault,) = contracts.find_notebook_faults(notebooks.read_all(changed.folder))
        assert "06_other.ipynb: lib/stages/other.py lacks PARAMETERS" in fault

    def test_use_case_without_overrides_is_reported(self, changed):
        faults = contracts.find_notebook_faults(changed("03_train.ipynb", OVERRIDES_LINE, "seed = 42"))
        assert "03_train.ipynb: the parameters cell needs overrides = {} beside use_case." in faults[0]

    def test_declared_parameters_are_those_of_the_module(self):
        import importlib

        for contract in notebooks.read_all():
            module = importlib.import_module(f"lib.stages.{contract.stage}")
            assert contract.declared_parameters == module.PARAMETERS and set(contract.declared_parameters) <= set(SPECS)


class TestOptions:
    def test_options_of_flights_are_accepted(self):
        assert contracts.resolve_parameters(load([FLIGHTS]), notebooks.read_all()).options["late_after_minutes"] == 15

    def test_unknown_option_suggests_the_nearest(self):
        (fault,) = faults_of("options.weather_date=here.csv", files=[FLIGHTS])
        assert (
            "options: weather_date is not an option of custom/pipelines/flights.py. Did you mean 'weather_data'?"
            in fault
        )

    def test_pipeline_without_options_refuses_all(self):
        (fault,) = faults_of("options.anything=1")
        assert fault == "options: anything is not an option of lib/pipelines/base.py. Known: none."

    def test_missing_options_are_named_with_their_types(self):
        faults = faults_of("pipeline=flights")
        assert ["weather_data is missing" in fault for fault in faults] == [True, False]
        assert ["Add late_after_minutes, of type int, under options" in fault for fault in faults] == [False, True]

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("options.late_after_minutes=soon", "late_after_minutes is 'soon'; expected int"),
            ("options.late_after_minutes=true", "late_after_minutes is True; expected int"),
            ("options.weather_data=7", "weather_data is 7; expected str"),
        ],
    )
    def test_option_of_another_type_is_refused(self, assignment, message):
        (fault,) = faults_of(assignment, files=[FLIGHTS])
        assert message in fault

    def test_unknown_pipeline_is_reported_once(self):
        (fault,) = faults_of("pipeline=fligths", "options.anything=1")
        assert "there is no pipeline 'fligths'. Did you mean 'flights'" in fault


class TestHyperparameters:
    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            (
                "hyperparameters.linear.regularization=2",
                "lib/training/linear.py has no regularization. Did you mean 'regularisation'? Known: regularisation.",
            ),
            ("hyperparameters.linear.regularisation=much", "linear.regularisation is 'much'; expected float."),
            ("hyperparameters.linear.regularisation=true", "linear.regularisation is True; expected float."),
            ("hyperparameters.random_forest.n_estimators=2.5", "random_forest.n_estimators is 2.5; expected int."),
            ("hyperparameters.linear=3", "linear is 3; expected a mapping such as {max_iter: 200}."),
        ],
    )
    def test_unusable_hyperparameter_is_refused(self, assignment, message):
        (fault,) = faults_of(assignment)
        assert fault == f"hyperparameters: {message}"

    def test_hyperparameters_of_an_unused_function_are_refused(self):
        (fault,) = faults_of("training_functions=[linear]", "hyperparameters.xgboost.max_depth=3")
        assert "hyperparameters: xgboost is not in training_functions. " in fault

    def test_whole_number_is_accepted_for_a_float(self):
        layers = load([], [*SMALL, "hyperparameters.linear.regularisation=2"])
        assert contracts.resolve_parameters(layers, notebooks.read_all()).hyperparameters == {
            "linear": {"regularisation": 2}
        }

    def test_list_of_hyperparameters_is_reported_once(self):
        assert len(faults_of("hyperparameters=[linear]")) == 1


class TestOutputs:
    """The outputs of an executed notebook, checked against the parameters of its readers."""

    READER = "answer: int = 0  # any\nrate: float = 0.5  # any\nrows: list = []  # any"
    VALID = {"answer": 42, "rate": 0.5, "rows": [1]}

    @pytest.fixture
    def check_outputs(self, tmp_path):
        """Return a function that checks outputs of the first of two notebooks; errors go into ``executed``."""
        notebook(tmp_path / "notebooks", "01_setup.ipynb", outputs="answer=42, rate=0.5, rows=[1]")
        notebook(tmp_path / "notebooks", "02_train.ipynb", parameters=self.READER)
        first, _ = notebooks.read_all(tmp_path / "notebooks")
        executed = tmp_path / "executed.ipynb"
        content = json.loads(first.path.read_text())
        for cell in content["cells"]:
            cell["metadata"]["papermill"] = {"start_time": "2026-11-22T10:00:00", "status": "completed"}
        executed.write_text(json.dumps(content))

        def check(**outputs):
            contracts.check_outputs(first, executed, outputs)

        check.executed = executed
        return check

    def test_outputs_of_the_expected_types_are_accepted(self, check_outputs):
        check_outputs(**self.VALID)
        check_outputs(**{**self.VALID, "rate": 1})
        assert errors_of(code_of(check_outputs.executed)) == []

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"answer": "42"}, "answer is '42', but a later notebook expects int"),
            ({"answer": 42.0}, "answer is 42.0, but a later notebook expects int"),
            ({"answer": True}, "answer is True, but a later notebook expects int"),
            ({"rows": {"a": 1}}, "rows is {'a': 1}, but a later notebook expects list"),
            ({"rate": float("nan")}, "rate is nan; expected a finite number"),
            ({"rate": float("inf")}, "rate is inf; expected a finite number"),
            ({"rate": "nan"}, "rate is 'nan', but a later notebook expects float"),  # how scrapbook brings NaN back
            ({"rows": [1, [float("-inf")]]}, "rows[1][0] is -inf; expected a finite number"),
            ({"answer": None}, "answer is None"),
            ({"answre": 1}, "answre is not an output of the last cell. Did you mean 'answer'?"),
        ],
    )
    def test_wrong_output_fails_the_stage_and_is_shown_in_the_notebook(self, check_outputs, wrong, message):
        with pytest.raises(failures.StageFailed) as failed:
            check_outputs(**{**self.VALID, **wrong})
        assert "01_setup.ipynb published wrong outputs: " in str(failed.value) and message in str(failed.value)
        assert f"Notebook: {check_outputs.executed}" in str(failed.value)
        assert (failed.value.status, failed.value.exit_code) == ("failed", 1)
        (error,) = errors_of(code_of(check_outputs.executed))
        assert error["ename"] == "WrongOutput" and message in error["evalue"]

    def test_missing_output_is_named(self, check_outputs):
        with pytest.raises(failures.StageFailed, match="published wrong outputs: rows is missing"):
            check_outputs(answer=42, rate=0.5)

    def test_all_faults_are_reported_together(self, check_outputs):
        with pytest.raises(failures.StageFailed) as failed:
            check_outputs(answre=42, rate=float("nan"), rows=7)
        for message in ("answer is missing", "answre is not an output", "rate is nan", "rows is 7"):
            assert message in str(failed.value)

    def test_notebook_without_outputs_has_left_early(self, check_outputs):
        with pytest.raises(failures.StageFailed) as failed:
            check_outputs()
        assert "answer, rate, rows, perhaps because a cell called sys.exit." in str(failed.value)
        (error,) = errors_of(code_of(check_outputs.executed))
        assert error["ename"] == "LeftEarly"


class TestOutputsOfARun:
    """The same checks, on notebooks that a kernel has executed."""

    READER = "answer: float = 0.5  # any"

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            ("sb.glue('answer', float('nan'))", "answer is"),
            ("sb.glue('answer', 'forty-two')", "answer is 'forty-two', but a later notebook expects float"),
            ("sb.glue('answer', [42])", "answer is [42], but a later notebook expects float"),
            ("sb.glue('answre', 42)", "answre is not an output of the last cell. Did you mean 'answer'?"),
        ],
    )
    def test_outputs_glued_by_a_cell_are_checked_too(self, chain, cell, message):
        bypass = "import scrapbook as sb\npipeline.publish_outputs = lambda **outputs: None"
        chain.write("01_setup.ipynb", bypass, cell, outputs="answer=42")
        chain.write("02_train.ipynb", parameters=self.READER, outputs="last=answer")
        with pytest.raises(failures.StageFailed) as failed:
            chain.run()
        assert message in str(failed.value) and "01_setup.ipynb" in str(failed.value)
        assert chain.statuses == [("setup", "failed")]
        assert message in chain.error("01_setup.ipynb")["evalue"]

    def test_cell_that_exits_fails_the_stage(self, chain):
        chain.write("01_setup.ipynb", "import sys\nsys.exit(0)", "after = 1", outputs="answer=1")
        chain.write("02_train.ipynb", parameters=self.READER, outputs="last=answer")
        with pytest.raises(failures.StageFailed, match=r"A cell called sys\.exit\(0\)"):
            chain.run()
        assert chain.statuses == [("setup", "failed")]
        assert errors_of(chain.cells("01_setup.ipynb"))[-1]["ename"] == "KernelLeft"  # IPython shows SystemExit too
        assert cell_statuses(chain.cells("01_setup.ipynb"))[-3:] == ["failed", "pending", "pending"]


class TestNames:
    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("training_functions=[linaer]", "there is no training function 'linaer'. Did you mean 'linear'?"),
            ("backend=lokal", "there is no backend 'lokal'. Did you mean 'local'?"),
            ("pipeline=bose", "there is no pipeline 'bose'. Did you mean 'base'?"),
            ("primary_metric=roc_acu", "Did you mean 'roc_auc'?"),
        ],
    )
    def test_unknown_name_suggests_the_nearest(self, assignment, message):
        (fault,) = faults_of(assignment)
        assert message in fault

    def test_missing_table_is_reported_before_anything_runs(self):
        (fault,) = faults_of("data=data/penguins.csv")
        assert fault.startswith("data: There is no file data/penguins.csv")
        assert "Did you mean 'penguins_raw.csv'" in fault


@pytest.mark.parametrize("file", sorted((ROOT / "parameters").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_bundled_use_case_is_valid(file):
    if file.stem == "base":
        assert load([]).values.keys() == SPECS.keys()
    elif file.stem in backends.available():  # a profile, laid over a use case
        pytest.importorskip("azureml.core", reason='azureml-core is missing: make install GROUPS="azure azure-v1"')
        workspace = [f"subscription_id={'0' * 8}-1111-2222-3333-{'4' * 12}", "resource_group=rg", "workspace_name=mlw"]
        layers = load([file.with_name("flights.yaml"), file], workspace)
        assert contracts.resolve_parameters(layers, notebooks.read_all()).resource_group == "rg"
    else:
        assert contracts.resolve_parameters(load([file]), notebooks.read_all()).data


def test_declarations_read_from_source_match_the_imported_code():
    """The chain reads options and hyperparameters from source files, because importing them takes seconds."""
    import inspect

    from custom.pipelines.flights import FlightsPipeline
    from lib import training

    options = _signatures.read_class_options(ROOT / "custom" / "pipelines" / "flights.py")
    assert options == {name: kind.__name__ for name, kind in FlightsPipeline.OPTIONS.items()}
    for name in training.available(is_bundled=True):
        known = _signatures.read_keyword_arguments(ROOT / "lib" / "training" / f"{name}.py")
        parameters = inspect.signature(training.get(name)).parameters.values()
        assert list(known) == [
            parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]
