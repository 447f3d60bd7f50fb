"""The notebooks in git keep the rules, and each rule can fail; they run by hand, by papermill and in the chain."""

import ast
import copy
import json
import re

import papermill
import pytest
import yaml

from lib.chain import notebooks
from lib.errors import DataError
from lib.parameters.specs import AZURE, COMMON
from lib.paths import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BASE = yaml.safe_load((ROOT / "parameters" / "base.yaml").read_text())
MAX_CODE_LINES = 12
FORBIDDEN = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.If,
    ast.IfExp,
    ast.Try,
    ast.With,
    ast.comprehension,
)
PARAMETER_LINE = re.compile(r"(\w+) = (.+?)  # (\S.+)")
PLUMBING = 2  # parameters and open_pipeline; the last cell, which publishes, is hidden too


def source(cell):
    return "".join(cell["source"])


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def parameters_cells(notebook):
    return [cell for cell in code_cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]


def has_few_code_lines(notebook):
    lines = [line for cell in code_cells(notebook) for line in source(cell).splitlines() if line.strip()]
    return 6 <= len(lines) <= MAX_CODE_LINES


def has_no_logic(notebook):
    return not any(
        isinstance(node, FORBIDDEN) for cell in code_cells(notebook) for node in ast.walk(ast.parse(source(cell)))
    )


def has_one_parameters_cell(notebook):
    """One cell, the first of code: use case, overrides, then inputs; each line a literal with a comment."""
    cells = parameters_cells(notebook)
    if len(cells) != 1 or cells[0] is not code_cells(notebook)[0]:
        return False
    matches = [PARAMETER_LINE.fullmatch(line) for line in source(cells[0]).splitlines()]
    if not all(matches) or [match[1] for match in matches[:2]] != ["use_case", "overrides"]:
        return False
    try:
        values = [ast.literal_eval(match[2]) for match in matches]
    except (ValueError, SyntaxError):
        return False
    return all(type(value) in (str, list, dict) for value in values)


def has_no_outputs(notebook):
    return all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells(notebook))


def has_python3_kernel(notebook):
    return notebook["metadata"]["kernelspec"]["name"] == "python3"


def begins_with_a_question(notebook):
    first = notebook["cells"][0]
    return first["cell_type"] == "markdown" and bool(re.match(r"# \w+: .+\?\n", source(first)))


def opens_the_pipeline_once(notebook):
    return source(code_cells(notebook)[1]) == (
        "from lib.pipelines import open_pipeline\n\npipeline = open_pipeline(use_case, overrides)"
    )


def works_in_one_call(notebook):
    """The third code cell passes every input to the stage, and shows the answer."""
    work, shown = ast.parse(source(code_cells(notebook)[2])).body
    call = work.value
    names = [argument.id for argument in call.args]
    inputs = [name for name in parameter_values(notebook) if name not in ("use_case", "overrides")]
    return (
        ast.unparse(call.func).startswith("pipeline.") and names == inputs and ast.unparse(shown) == work.targets[0].id
    )


def publishes_last(notebook):
    last = notebook["cells"][-1]
    return last["cell_type"] == "code" and source(last).startswith("pipeline.publish_outputs(")


def explains_each_answer(notebook):
    """Between opening and publishing, a text follows every code cell."""
    kinds = [cell["cell_type"] for cell in notebook["cells"][3:-1]]
    return len(kinds) >= 2 and kinds == ["code", "markdown"] * (len(kinds) // 2)


def hides_plumbing(notebook):
    """nbconvert removes the plumbing, and Jupyter folds it, except for the parameters cell, which a person edits."""
    cells = code_cells(notebook)
    plumbing = [*cells[:PLUMBING], cells[-1]]
    removed = ["remove-input" in cell["metadata"].get("tags", []) for cell in cells]
    folded = [cell["metadata"].get("jupyter", {}).get("source_hidden") is True for cell in cells]
    return removed == [cell in plumbing for cell in cells] and folded == [cell in plumbing[1:] for cell in cells]


def links_only_to_notebooks(notebook):
    texts = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    links = re.findall(r"\]\(([^)]+)\)", "\n".join(texts))
    return bool(links) and all((ROOT / "notebooks" / link).is_file() for link in links)


def parameter_values(notebook):
    lines = ast.parse(source(parameters_cells(notebook)[0])).body
    return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}


RULES = (
    has_few_code_lines,
    has_no_logic,
    has_one_parameters_cell,
    has_no_outputs,
    has_python3_kernel,
    begins_with_a_question,
    opens_the_pipeline_once,
    works_in_one_call,
    publishes_last,
    explains_each_answer,
    hides_plumbing,
    links_only_to_notebooks,
)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def train():
    return json.loads((ROOT / "notebooks" / "03_train.ipynb").read_text())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_notebook_keeps_the_rule(path, rule):
    assert rule(json.loads(path.read_text(encoding="utf-8")))


def in_code(old, new):
    """Replace a text in the cell that contains it."""

    def mutate(notebook):
        cell = next(cell for cell in code_cells(notebook) if old in source(cell))
        cell["source"] = source(cell).replace(old, new, 1)

    return mutate


def insert_code(text, position=-1):
    def mutate(notebook):
        cell = {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        notebook["cells"].insert(position, cell)

    return mutate


def update(find, **changes):
    def mutate(notebook):
        find(notebook).update(changes)

    return mutate


SEED_COMMENT = '  # parameters to set over the files, by name, e.g. {"seed": 7}'
MUTATIONS = [
    (has_few_code_lines, insert_code("candidate")),
    (has_no_logic, insert_code("def helper():\n    return 1")),
    (has_no_logic, insert_code("for name in []:\n    print(name)")),
    (has_no_logic, insert_code("if baseline:\n    print(baseline)")),
    (has_no_logic, insert_code("try:\n    print(1)\nexcept ValueError:\n    raise")),
    (has_no_logic, insert_code("[name for name in []]")),
    (has_no_logic, insert_code("class Helper:\n    pass")),
    (has_one_parameters_cell, lambda notebook: parameters_cells(notebook)[0]["metadata"].clear()),
    (has_one_parameters_cell, lambda notebook: code_cells(notebook)[1]["metadata"].update(tags=["parameters"])),
    (has_one_parameters_cell, insert_code("early = 1", position=1)),
    (has_one_parameters_cell, in_code("overrides = {}", "overrides = dict()")),
    (has_one_parameters_cell, in_code("overrides = {}", "overrides = 7")),
    (has_one_parameters_cell, in_code("overrides = {}", "seed = 42")),
    (has_one_parameters_cell, in_code(SEED_COMMENT, "")),
    (has_no_outputs, update(lambda notebook: code_cells(notebook)[2], outputs=[{"output_type": "stream"}])),
    (has_no_outputs, update(lambda notebook: code_cells(notebook)[2], execution_count=4)),
    (has_python3_kernel, update(lambda notebook: notebook["metadata"]["kernelspec"], name="millrace")),
    (begins_with_a_question, update(lambda notebook: notebook["cells"][0], source="# Train\n\nThis fits a model.")),
    (begins_with_a_question, lambda notebook: notebook["cells"].insert(0, notebook["cells"].pop(1))),
    (opens_the_pipeline_once, in_code("open_pipeline(use_case, overrides)", "open_pipeline(use_case)")),
    (works_in_one_call, in_code(", baseline)", ")")),
    (works_in_one_call, in_code("\ncandidate", "\ncandidate.scores")),
    (publishes_last, insert_code("candidate.scores", position=99)),
    (explains_each_answer, lambda notebook: notebook["cells"].pop(4)),
    (hides_plumbing, lambda notebook: code_cells(notebook)[0]["metadata"].update(tags=["parameters"])),
    (hides_plumbing, lambda notebook: code_cells(notebook)[-1]["metadata"].pop("jupyter")),
    (hides_plumbing, lambda notebook: code_cells(notebook)[2].update(metadata=code_cells(notebook)[1]["metadata"])),
    (links_only_to_notebooks, update(lambda notebook: notebook["cells"][0], source="# Train: why?\n[03](03.ipynb)")),
]


@pytest.mark.parametrize(
    ("rule", "mutate"), MUTATIONS, ids=[f"{rule.__name__}-{number}" for number, (rule, _) in enumerate(MUTATIONS)]
)
def test_each_rule_can_fail(train, rule, mutate):
    broken = copy.deepcopy(train)
    mutate(broken)
    assert rule(train) and not rule(broken)


def test_papermill_reads_every_parameter_and_its_comment(path):
    inspected = papermill.inspect_notebook(str(path))
    known = notebooks.read(path)
    assert list(inspected) == list(known.parameters)
    for name, parameter in inspected.items():
        assert ast.literal_eval(parameter["default"]) == known.parameters[name]
        assert type(known.parameters[name]).__name__ == known.types[name]
        assert len(parameter["help"].split()) > 1


def test_every_parameter_reaches_a_stage_or_the_chain_itself():
    read_by_stages = {name for path in PATHS for name in notebooks.read(path).declared_parameters}
    read_by_the_chain = {
        "automl",
        "training_functions",
        "runs_folder",
        "fork_kernels",
        "max_parallel_notebooks",
        "timeout_minutes",
        "retries",
        "notify",
        "signing_key",
        "stages",
        "on_verdict",
    }
    assert BASE.keys() - read_by_stages - AZURE.keys() - set(COMMON) == read_by_the_chain


def test_notebooks_are_in_order_with_their_stages():
    stages = ["setup", "preprocess", "automl", "train", "evaluate", "deploy"]
    assert [notebook.stage for notebook in notebooks.read_all()] == stages


def test_outputs_have_the_types_that_their_readers_declare():
    assert {notebook.stage: notebook.outputs for notebook in notebooks.read_all()} == {
        "setup": {},
        "preprocess": {"train_data": "str", "test_data": "str", "baseline": "str"},
        "automl": {"candidates": "list"},
        "train": {"candidates": "list"},
        "evaluate": {"decision": "str"},
        "deploy": {"endpoint_url": "", "sample_request": ""},
    }


def test_other_files_of_the_folder_are_ignored(tmp_path):
    for name in ("my_own.ipynb", "3_train.ipynb", "03_train-linear.ipynb", "notes.txt"):
        (tmp_path / name).write_text("{}")
    assert notebooks.read_all(tmp_path) == []


class TestBroken:
    """A notebook whose contract cannot be read is named, with what to do."""

    @pytest.fixture
    def read(self, tmp_path, train):
        """Write the mutated notebook, and read its contract."""

        def read(mutate):
            mutate(train)
            (tmp_path / "03_train.ipynb").write_text(json.dumps(train))
            return notebooks.read(tmp_path / "03_train.ipynb")

        return read

    def test_lost_tag_is_reported(self, read):
        with pytest.raises(DataError, match="03_train.ipynb has 0 cells tagged 'parameters'; expected one"):
            read(lambda notebook: parameters_cells(notebook)[0]["metadata"].clear())

    def test_second_tag_is_reported(self, read):
        with pytest.raises(DataError, match="has 2 cells tagged 'parameters'"):
            read(lambda notebook: code_cells(notebook)[1]["metadata"].update(tags=["parameters"]))

    @pytest.mark.parametrize(
        "line", ["seed: int = 6 * 7", "seed = other", "a = b = 1", "a, b = 1, 2", "seed: int", "print(1)", "a.b = 1"]
    )
    def test_line_that_is_not_a_literal_is_reported(self, read, line):
        with pytest.raises(DataError, match="parameters cell, line 2: expected 'name = literal'"):
            read(in_code("overrides = {}", line))

    def test_annotated_literal_is_a_parameter(self, read):
        contract = read(in_code("overrides = {}", "overrides = {}\nmin_score: float = None"))
        assert contract.types["min_score"] == "float" and contract.parameters["min_score"] is None

    def test_cell_that_is_not_python_is_reported(self, read):
        with pytest.raises(DataError, match="contains a cell that is not Python"):
            read(in_code("overrides = {}", "overrides is {"))

    def test_last_cell_that_publishes_nothing_is_reported(self, read):
        with pytest.raises(
            DataError, match=r"expected one call of publish_outputs\(\.\.\.\) in the last code cell, found 0"
        ):
            read(insert_code("candidate.scores", position=99))

    @pytest.mark.parametrize(
        ("kernel", "problem"),
        [
            ({"name": "my-env", "display_name": "Python (my-env)"}, "is set to the kernel 'my-env'"),
            ({"name": "ir"}, "is set to the kernel 'ir'"),
            ({}, "names no kernel"),
        ],
    )
    def test_kernel_of_another_environment_is_reported_with_the_remedy(self, read, kernel, problem):
        with pytest.raises(DataError, match=f"03_train.ipynb {problem}.* choose the kernel 'Python 3") as raised:
            read(lambda notebook: notebook["metadata"].update(kernelspec=kernel))
        assert raised.value.exit_code == 2

    def test_cell_without_metadata_is_reported(self, read):
        with pytest.raises(DataError, match="03_train.ipynb is not a notebook .* Restore it from git"):
            read(lambda notebook: notebook["cells"][3].pop("metadata"))

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 1}', '{"cells": [{}]}', "\x00", "null"])
    def test_other_content_is_reported(self, tmp_path, content):
        (tmp_path / "03_train.ipynb").write_text(content)
        with pytest.raises(DataError, match="03_train.ipynb is not a notebook"):
            notebooks.read(tmp_path / "03_train.ipynb")
