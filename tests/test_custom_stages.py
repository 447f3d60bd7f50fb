"""Stages of the customer: placed by the parameter file of one use case, with the contracts of the bundled stages."""

import pytest

from lib.chain import contracts, notebooks, own_stages, plan, used_code
from lib.commands import main
from lib.errors import CodeError, DataError, NameNotFound, ParameterError
from lib.parameters import load
from lib.pipelines import get_pipeline
from tests import workspaces
from tests.custom_stages import write_stage
from tests.workspaces import parameters_for, pipeline_in, publish

copy_after = workspaces.copy_after

ANNOUNCE = """
    PARAMETERS = ("seed",)
    OUTPUTS = {"slide": "str", "pages": "int"}

    def run(pipeline, parameters):
        return {"slide": f"{parameters.name}-{parameters.seed}", "test": parameters.test_data}
"""
SMALL = ["name=shop", "data=data/penguins_raw.csv", "target_column=Species", "task=binary", "primary_metric=accuracy"]


def resolve(*assignments):
    """Return the chain and the parameters of a use case."""
    layers = load([], [*SMALL, *assignments])
    chain = own_stages.read_chain(layers.values.get("stages"))
    return chain, contracts.resolve_parameters(layers, chain)


def faults_of(*assignments):
    with pytest.raises(ParameterError) as caught:
        resolve(*assignments)
    return caught.value.faults


@pytest.fixture
def announce(custom):
    return write_stage(
        custom, "announce", ANNOUNCE, 'endpoint_url = ""  # of deploy', outputs='slide=result["slide"], pages=1'
    )


class TestPlace:
    def stages(self, *assignments, **options):
        chain, parameters = resolve(*assignments)
        executions = plan.list_executions(chain, parameters, **options)
        return [execution.label for execution in executions if not execution.label.startswith("train ")]

    @pytest.mark.parametrize(
        ("place", "expected"),
        [
            ("before_setup", ["check", "setup", "preprocess", "evaluate", "deploy"]),
            ("after_setup", ["setup", "check", "preprocess", "evaluate", "deploy"]),
            ("before_preprocess", ["setup", "check", "preprocess", "evaluate", "deploy"]),
            ("after_train", ["setup", "preprocess", "check", "evaluate", "deploy"]),
            ("after_deploy", ["setup", "preprocess", "evaluate", "deploy", "check"]),
        ],
    )
    def test_stage_runs_before_between_or_after_the_bundled_ones(self, custom, place, expected):
        write_stage(custom, "check", ANNOUNCE)
        assert self.stages(f"stages.{place}=[check]") == expected

    @pytest.mark.parametrize("automl", ["true", "false"])
    @pytest.mark.parametrize("place", ["before_train", "before_automl"])
    def test_place_beside_training_holds_for_automl_too(self, custom, place, automl):
        write_stage(custom, "check", ANNOUNCE)
        layers = load([], [*SMALL, f"stages.{place}=[check]", f"automl={automl}"])
        chain = own_stages.read_chain(layers.values["stages"])
        stages = [notebook.stage for notebook in chain]
        assert stages == ["setup", "preprocess", "check", "automl", "train", "evaluate", "deploy"]

    def test_other_use_cases_do_not_run_it(self, announce):
        assert "announce" not in self.stages()

    def test_several_stages_keep_their_order(self, custom):
        for name in ("second", "first"):
            write_stage(custom, name, ANNOUNCE)
        assert self.stages("stages.after_deploy=[first, second]")[-2:] == ["first", "second"]

    def test_from_to_and_only_know_the_stage(self, announce):
        given = "stages.after_deploy=[announce]"
        assert self.stages(given, first="deploy") == ["deploy", "announce"]
        assert self.stages(given, only="announce") == ["announce"]
        assert "timeout_minutes" in {name for name in resolve(given, "timeout_minutes.announce=5")[1]}

    def test_executed_copies_are_sorted_by_their_order(self, custom):
        for name in ("zero", "announce"):
            write_stage(custom, name, ANNOUNCE)
        chain, parameters = resolve("stages.after_deploy=[announce]", "stages.before_setup=[zero]", "automl=false")
        names = [execution.file_name for execution in plan.list_executions(chain, parameters)]
        assert names[0] == "00z_zero.ipynb" and names[-1] == "05a_announce.ipynb"
        assert [name[:2] for name in names] == sorted(name[:2] for name in names)

    def test_commands_know_the_stage(self, announce, tmp_path, capsys):
        stages = "stages.after_deploy=[announce]"
        given = ["--params", "parameters/penguins.yaml", "-p", stages, "-p", f"runs_folder={tmp_path}"]
        assert main(["check", *given]) == 0
        assert main(["--dry-run", *given]) == 0
        assert capsys.readouterr().out.count("announce") >= 1


class TestFaults:
    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("stages.after_deplot=[announce]", "stages: after_deplot is not a place. Did you mean 'after_deploy'?"),
            ("stages.after_deploy=[anounce]", "anounce.ipynb. Did you mean 'announce'?"),
            ("stages.after_deploy=announce", "stages: after_deploy is 'announce'; expected a list of names"),
            ("stages.after_deploy=[deploy]", "stages: deploy is the name of a stage of Millrace"),
            ("stages.after_deploy=[announce, announce]", "stages: announce is placed twice"),
            ("stages.after_deploy=[../../evil]", "'../../evil' is not a name of a stage"),
        ],
    )
    def test_wrong_placement_is_reported(self, announce, assignment, message):
        assert any(message in fault for fault in faults_of(assignment)), faults_of(assignment)

    @pytest.mark.parametrize(
        ("module", "message"),
        [
            (
                ANNOUNCE.replace('PARAMETERS = ("seed",)', ""),
                "lacks PARAMETERS, a tuple of the parameters that it reads",
            ),
            (
                ANNOUNCE.replace('"seed"', '"sead"'),
                "PARAMETERS contains the unknown parameter sead. Did you mean 'seed'?",
            ),
            (
                ANNOUNCE.replace("def run", "def runs"),
                "defines no function run(pipeline, parameters). Defined: PARAMETERS",
            ),
            (ANNOUNCE.replace('"str"', '"text"'), "OUTPUTS has the type text; expected one of"),
            ("import no_such_package\n" + ANNOUNCE, "imports no_such_package, which is not installed"),
        ],
    )
    def test_faulty_module_is_reported_only_where_it_is_used(self, custom, module, message):
        write_stage(custom, "announce", module.replace("\n    ", "\n"), outputs="slide=1")
        assert any("announce" in fault and message in fault for fault in faults_of("stages.after_deploy=[announce]"))
        assert resolve()[1].stages == {}

    def test_syntax_error_names_file_and_line(self, custom):
        write_stage(custom, "announce", "PARAMETERS = ()\ndef run(:\n")
        with pytest.raises(DataError, match="custom/stages/announce.py, line 2: SyntaxError"):
            resolve("stages.after_deploy=[announce]")

    def test_input_that_nothing_publishes_is_reported(self, custom):
        write_stage(custom, "announce", ANNOUNCE, 'endpoint_ur = ""  # typo')
        (fault,) = faults_of("stages.after_deploy=[announce]")
        assert "nothing sets the parameter endpoint_ur. Did you mean 'endpoint_url'?" in fault

    def test_input_of_a_later_stage_is_reported(self, custom):
        write_stage(custom, "announce", ANNOUNCE, 'endpoint_url = ""  # too early')
        (fault,) = faults_of("stages.before_evaluate=[announce]")
        assert "the parameter endpoint_url is an output of deploy, which runs later" in fault

    def test_unused_inputs_need_not_be_declared(self, custom):
        write_stage(custom, "announce", ANNOUNCE, outputs="slide=1")
        chain, _ = resolve("stages.after_deploy=[announce]")
        assert list(chain[-1].parameters) == ["use_case", "overrides"]


class TestOutputs:
    def test_types_are_those_of_the_module(self, announce, tmp_path):
        chain, _ = resolve("stages.after_deploy=[announce]")
        assert chain[-1].outputs == {"slide": "str", "pages": "int"}

    def test_output_can_be_the_input_of_a_later_stage(self, custom):
        write_stage(custom, "prices", ANNOUNCE, outputs="price_table=[1]")
        write_stage(custom, "announce", ANNOUNCE, "price_table: list = []  # of prices")
        chain, _ = resolve("stages.before_train=[prices]", "stages.after_deploy=[announce]")
        prices = next(notebook for notebook in chain if notebook.stage == "prices")
        assert prices.outputs == {"price_table": "list"}

    def test_different_types_are_reported(self, custom):
        write_stage(custom, "first", ANNOUNCE, outputs="shared=1")
        write_stage(custom, "second", ANNOUNCE, "shared: int = 0  # any")
        write_stage(custom, "third", ANNOUNCE, "shared: str = ''  # any")
        (fault,) = faults_of("stages.after_setup=[first]", "stages.after_deploy=[second, third]")
        assert "publishes shared, but later notebooks expect different types of it: int and str" in fault

    def test_wrong_type_fails_the_stage(self, announce, tmp_path):
        from lib.chain.failures import StageFailed
        from lib.chain.notebooks import read

        chain, _ = resolve("stages.after_deploy=[announce]")
        executed = tmp_path / "executed.ipynb"
        executed.write_text(announce.read_text())
        assert read(announce, "announce", announce.with_suffix(".py")).declared_parameters == ("seed",)
        with pytest.raises(StageFailed, match="pages is 'many', but .* expects int"):
            contracts.check_outputs(chain[-1], executed, {"slide": "a", "pages": "many"})


class TestRun:
    def test_module_gets_inputs_and_the_parameters_it_declares(self, announce, copy_after, custom):
        pipeline = pipeline_in(copy_after("preprocess"), stages={"after_preprocess": ["announce"]})
        result = pipeline.run_stage("announce", test_data="")
        assert result["slide"] == "small-shop-42" and result["test"].startswith("file:")
        publish(pipeline, slide=result["slide"])
        tracking = pipeline.backend.tracking
        assert tracking.newest_output(pipeline.parameters.name, "announce", "slide") == "small-shop-42"
        custom.write(
            "stages/reader.py", "PARAMETERS = ()\ndef run(pipeline, parameters):\n    return parameters.slide\n"
        )
        assert pipeline.run_stage("reader", slide="") == "small-shop-42"

    def test_undeclared_parameter_cannot_be_read(self, custom, workspace):
        custom.write(
            "stages/peek.py", "PARAMETERS = ()\ndef run(pipeline, parameters):\n    return pipeline.parameters.seed\n"
        )
        with pytest.raises(NameNotFound, match="the PARAMETERS of custom/stages/peek.py; add it there"):
            pipeline_in(workspace).run_stage("peek")

    def test_newest_candidates_need_no_declared_parameter(self, custom, copy_after):
        custom.write(
            "stages/peek.py", "PARAMETERS = ()\ndef run(pipeline, parameters):\n    return parameters.candidates\n"
        )
        assert pipeline_in(copy_after("train")).run_stage("peek", candidates=[])

    def test_parameter_that_the_notebook_lacks_is_to_be_declared(self, custom, workspace):
        custom.write(
            "stages/peek.py", "PARAMETERS = ()\ndef run(pipeline, parameters):\n    return parameters.waivers\n"
        )
        values = {name: value for name, value in parameters_for(workspace).items() if name != "waivers"}
        with pytest.raises(NameNotFound, match="the PARAMETERS of custom/stages/peek.py; add it there"):
            get_pipeline(**values).run_stage("peek")

    def test_missing_input_is_reported_unless_it_is_optional(self, custom, workspace):
        text = "PARAMETERS = ()\ndef run(pipeline, parameters):\n    return parameters.endpoint_url\n"
        custom.write("stages/late.py", text)
        with pytest.raises(DataError, match="endpoint_url is empty, and no earlier notebook"):
            pipeline_in(workspace).run_stage("late", endpoint_url="")
        custom.write("stages/calm.py", 'OPTIONAL_INPUTS = ("endpoint_url",)\n' + text)
        assert pipeline_in(workspace).run_stage("calm", endpoint_url="") == ""

    def test_error_in_the_module_is_told_with_its_line(self, custom, workspace):
        custom.write("stages/broken.py", "import json\nx = json.nothing\n")
        with pytest.raises(CodeError, match="custom/stages/broken.py, line 2: AttributeError"):
            pipeline_in(workspace).run_stage("broken")

    def test_edit_of_the_module_reruns_the_stage(self, announce):
        assert [file.name for file in used_code.find_used_code("announce", {"pipeline": "base"}).files] == [
            "announce.py"
        ]
        assert used_code.find_used_code("deploy", {"pipeline": "base"}).files == ()


def test_bundled_chain_is_unchanged_without_own_stages():
    assert own_stages.read_chain({}) == notebooks.read_all()
