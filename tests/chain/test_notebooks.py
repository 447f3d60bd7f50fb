"""The notebooks as they are in git keep the rules, and each rule is able to fail."""

import ast
import copy
import json
import re

import papermill
import pytest
import yaml

from lib.chain import notebooks
from lib.errors import DataError
from lib.parameters.specs import AZURE
from lib.paths import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BASE, EXAMPLE = (yaml.safe_load((ROOT / "parameters" / f"{name}.yaml").read_text()) for name in ("base", "flights"))
DEFAULTS = {**BASE, **EXAMPLE}
MOST_CODE_CELLS = 8
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
LINE = re.compile(r"(\w+): (\w+) = (.+?)  # (\S.+)")


def source(cell):
    return "".join(cell["source"])


def code_of(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tagged(notebook):
    return [cell for cell in code_of(notebook) if "parameters" in cell["metadata"].get("tags", [])]


def few_cells(notebook):
    return len(code_of(notebook)) <= MOST_CODE_CELLS


def no_logic(notebook):
    return not any(
        isinstance(node, FORBIDDEN) for cell in code_of(notebook) for node in ast.walk(ast.parse(source(cell)))
    )


def one_parameters_cell(notebook):
    """One cell, the first of code, each of its lines a typed literal with a comment."""
    found = tagged(notebook)
    if len(found) != 1 or found[0] is not code_of(notebook)[0]:
        return False
    for line in source(found[0]).splitlines():
        parts = LINE.fullmatch(line)
        if not parts:
            return False
        try:
            value = ast.literal_eval(parts[3])
        except (ValueError, SyntaxError):
            return False
        if parts[2] != "object" and type(value).__name__ != parts[2]:
            return False
    return True


def clean(notebook):
    return all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_of(notebook))


def python3_kernel(notebook):
    return notebook["metadata"]["kernelspec"]["name"] == "python3"


def question_first(notebook):
    """The first cell is text, and its heading asks."""
    first = notebook["cells"][0]
    return first["cell_type"] == "markdown" and bool(re.match(r"# \w+: .+\?\n", source(first)))


def hands_on_last(notebook):
    last = notebook["cells"][-1]
    return last["cell_type"] == "code" and source(last).startswith("my_pipeline.hand_on(")


def meaning_under_each_answer(notebook):
    """Between question and end, every shown table or figure has a sentence under it."""
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    shown = kinds[4:-1]
    return len(shown) >= 2 and shown == ["code", "markdown"] * (len(shown) // 2)


def defaults_as_in_the_yaml(notebook):
    given = notebooks_parameters(notebook)
    return all(given[name] == DEFAULTS[name] for name in given if name in DEFAULTS)


def notebooks_parameters(notebook):
    lines = ast.parse(source(tagged(notebook)[0])).body
    return {line.target.id: ast.literal_eval(line.value) for line in lines}


def all_parameters_passed_on(notebook):
    """`get_pipeline(pipeline, name=name, ...)` with every parameter of the cell and nothing else."""
    calls = [
        node
        for cell in code_of(notebook)
        for node in ast.walk(ast.parse(source(cell)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "get_pipeline"
    ]
    if len(calls) != 1 or [ast.unparse(one) for one in calls[0].args] != ["pipeline"]:
        return False
    passed = {one.arg: ast.unparse(one.value) for one in calls[0].keywords}
    return passed == {name: name for name in notebooks_parameters(notebook) if name != "pipeline"}


RULES = (
    few_cells,
    no_logic,
    one_parameters_cell,
    clean,
    python3_kernel,
    question_first,
    hands_on_last,
    meaning_under_each_answer,
    defaults_as_in_the_yaml,
    all_parameters_passed_on,
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


def in_parameters(old, new):
    def mutate(notebook):
        cell = tagged(notebook)[0]
        assert old in source(cell)
        cell["source"] = source(cell).replace(old, new, 1)

    return mutate


def code(text, place=-1):
    def mutate(notebook):
        cell = {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        notebook["cells"].insert(place, cell)

    return mutate


def changed(find, **changes):
    def mutate(notebook):
        find(notebook).update(changes)

    return mutate


def get_pipeline_cell(notebook):
    return next(cell for cell in code_of(notebook) if "get_pipeline(" in source(cell))


def without_a_passed_parameter(notebook):
    cell = get_pipeline_cell(notebook)
    cell["source"] = source(cell).replace("    seed=seed,\n", "")


MUTATIONS = [
    (few_cells, lambda notebook: [code("candidate")(notebook) for _ in range(6)]),
    (no_logic, code("def helper():\n    return 1")),
    (no_logic, code("for name in []:\n    print(name)")),
    (no_logic, code("if seed > 1:\n    print(seed)")),
    (no_logic, code("try:\n    print(seed)\nexcept ValueError:\n    raise")),
    (no_logic, code("[name for name in []]")),
    (no_logic, code("class Helper:\n    pass")),
    (one_parameters_cell, lambda notebook: tagged(notebook)[0]["metadata"].clear()),
    (one_parameters_cell, lambda notebook: code_of(notebook)[1]["metadata"].update(tags=["parameters"])),
    (one_parameters_cell, code("early = 1", place=1)),
    (one_parameters_cell, in_parameters("seed: int = 42", "seed: int = 6 * 7")),
    (one_parameters_cell, in_parameters("seed: int = 42", "seed: int = 42.0")),
    (one_parameters_cell, in_parameters("seed: int = 42", "seed = 42")),
    (one_parameters_cell, in_parameters("  # of the split and of every model; the same seed gives the same run", "")),
    (clean, changed(lambda notebook: code_of(notebook)[3], outputs=[{"output_type": "stream"}])),
    (clean, changed(lambda notebook: code_of(notebook)[3], execution_count=4)),
    (python3_kernel, changed(lambda notebook: notebook["metadata"]["kernelspec"], name="millrace")),
    (question_first, changed(lambda notebook: notebook["cells"][0], source="# Train\n\nThis notebook fits.")),
    (question_first, lambda notebook: notebook["cells"].insert(0, notebook["cells"].pop(1))),
    (hands_on_last, code("candidate.scores", place=99)),
    (meaning_under_each_answer, lambda notebook: notebook["cells"].pop(5)),
    (defaults_as_in_the_yaml, in_parameters("seed: int = 42", "seed: int = 43")),
    (defaults_as_in_the_yaml, in_parameters('target_column: str = "late"', 'target_column: str = "delay"')),
    (all_parameters_passed_on, without_a_passed_parameter),
    (all_parameters_passed_on, in_parameters("seed: int", "extra: int = 1  # more\nseed: int")),
]


@pytest.mark.parametrize(
    ("rule", "mutate"), MUTATIONS, ids=[f"{rule.__name__}-{number}" for number, (rule, _) in enumerate(MUTATIONS)]
)
def test_the_rule_sees_a_notebook_that_breaks_it(train, rule, mutate):
    broken = copy.deepcopy(train)
    mutate(broken)
    assert rule(train) and not rule(broken)


def test_papermill_reads_back_every_parameter_with_its_type_and_comment(path):
    read = papermill.inspect_notebook(str(path))
    known = notebooks.read(path)
    assert list(read) == list(known.parameters)
    for name, told in read.items():
        assert told["inferred_type_name"] == known.types[name]
        assert ast.literal_eval(told["default"]) == known.parameters[name]
        assert len(told["help"].split()) > 1


def test_a_comment_of_a_parameter_is_that_of_the_yaml(path):
    meanings = dict(re.findall(r"^(\w+):.*?  *# (.+)$", (ROOT / "parameters" / "base.yaml").read_text(), re.MULTILINE))
    for name, told in papermill.inspect_notebook(str(path)).items():
        if name in meanings:
            assert told["help"] == meanings[name]


def test_every_parameter_of_the_use_case_reaches_a_notebook_or_the_chain_itself():
    reached = {name for path in PATHS for name in notebooks.read(path).parameters}
    of_the_chain = {
        "automl",
        "training_functions",
        "runs_folder",
        "fork_kernels",
        "max_parallel",
        "timeout_minutes",
        "retries",
    }
    assert DEFAULTS.keys() - reached - AZURE.keys() == of_the_chain


def test_the_notebooks_are_found_in_their_order_with_their_stages():
    assert [one.stage for one in notebooks.all_of()] == [
        "setup",
        "preprocess",
        "automl",
        "train",
        "evaluate",
        "deploy",
    ]


def test_what_each_hands_on_and_of_which_type_its_readers_take_it_to_be():
    assert {one.stage: one.outputs for one in notebooks.all_of()} == {
        "setup": {},
        "preprocess": {"train_data": "str", "test_data": "str", "baseline": "str"},
        "automl": {"candidates": "list"},
        "train": {"candidates": "list"},
        "evaluate": {"decision": "str"},
        "deploy": {"endpoint_url": "", "sample_request": ""},
    }


def test_other_files_of_the_folder_are_left_alone(tmp_path):
    for name in ("my_own.ipynb", "3_train.ipynb", "03_train-linear.ipynb", "notes.txt"):
        (tmp_path / name).write_text("{}")
    assert notebooks.all_of(tmp_path) == []


class TestBroken:
    """A notebook whose contract cannot be read is named, with what to do."""

    @pytest.fixture
    def written(self, tmp_path, train):
        """Write the mutated notebook, and read its contract."""

        def write(mutate):
            mutate(train)
            (tmp_path / "03_train.ipynb").write_text(json.dumps(train))
            return notebooks.read(tmp_path / "03_train.ipynb")

        return write

    def test_a_lost_tag(self, written):
        with pytest.raises(DataError, match="03_train.ipynb has 0 cells tagged 'parameters'; expected one"):
            written(lambda notebook: tagged(notebook)[0]["metadata"].clear())

    def test_two_tags(self, written):
        with pytest.raises(DataError, match="has 2 cells tagged 'parameters'"):
            written(lambda notebook: code_of(notebook)[1]["metadata"].update(tags=["parameters"]))

    @pytest.mark.parametrize("line", ["seed: int = 6 * 7", "seed: int = other", "seed = 42", "seed: int", "print(1)"])
    def test_a_line_that_is_no_typed_literal(self, written, line):
        with pytest.raises(DataError, match="parameters cell, line 16: expected 'name: type = literal'"):
            written(in_parameters("seed: int = 42", line))

    def test_a_cell_that_is_no_python(self, written):
        with pytest.raises(DataError, match="holds a cell that is not Python"):
            written(in_parameters("seed: int", "seed int"))

    def test_a_last_cell_that_does_not_hand_on(self, written):
        with pytest.raises(DataError, match=r"the last code cell must call hand_on\(\.\.\.\) once; it does 0 times"):
            written(code("candidate.scores", place=99))

    def test_a_cell_without_metadata(self, written):
        with pytest.raises(DataError, match="03_train.ipynb is no notebook .* Restore it from git"):
            written(lambda notebook: notebook["cells"][3].pop("metadata"))

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 1}', '{"cells": [{}]}', "\x00", "null"])
    def test_no_notebook(self, tmp_path, content):
        (tmp_path / "03_train.ipynb").write_text(content)
        with pytest.raises(DataError, match="03_train.ipynb is no notebook"):
            notebooks.read(tmp_path / "03_train.ipynb")
