"""Executed notebooks as pages."""

import re

import nbformat
import papermill
import pytest

from lib.chain import notebooks, pages, plan
from lib.paths import ROOT
from tests.chain.small_notebooks import notebook


def test_links_of_executed_notebooks_resolve(tmp_path):
    training, evaluation = (
        notebooks.read(ROOT / "notebooks" / f"{name}.ipynb") for name in ("03_train", "04_evaluate")
    )
    executions = [plan.Execution(training, "linear"), plan.Execution(training, "xgboost"), plan.Execution(evaluation)]
    for execution in executions:
        (tmp_path / execution.file_name).write_bytes(execution.notebook.path.read_bytes())
        pages.make_standalone(execution.notebook.path, tmp_path / execution.file_name, executions)
    text = (tmp_path / "04_evaluate.ipynb").read_text(encoding="utf-8")
    assert "[03_train-linear](03_train-linear.ipynb), [03_train-xgboost](03_train-xgboost.ipynb)" in text
    links = [
        link for page in tmp_path.glob("*.ipynb") for link in re.findall(r"\]\(([^)]+\.ipynb)\)", page.read_text())
    ]
    assert len(links) == 7 and all((tmp_path / link).resolve().is_file() for link in links)


def run_to_its_failure(folder, *cells):
    """Execute a small notebook that fails, and return the text of its page's cells."""
    source, executed = folder / "03_train.ipynb", folder / "run" / "03_train.ipynb"
    executed.parent.mkdir()
    notebook(folder, source.name, *cells)
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(str(source), str(executed), progress_bar=False)
    pages.make_standalone(source, executed, [])
    page = nbformat.read(executed, as_version=4)
    nbformat.validate(page)
    return ["".join(cell.source) for cell in page.cells]


def test_failed_notebook_begins_with_the_message(tmp_path):
    texts = run_to_its_failure(tmp_path, "1 + 1", "raise ValueError('a < b\\nand more')")
    assert "ValueError: a &lt; b<br>and more (<a href=" in texts[0]
    assert not any("papermill" in text for text in texts)
    assert "The cell that failed:" in texts[texts.index("raise ValueError('a < b\\nand more')") - 1]


def test_finishing_a_page_twice_changes_nothing(tmp_path):
    texts = run_to_its_failure(tmp_path, "1 / 0")
    executed = tmp_path / "run" / "03_train.ipynb"
    pages.make_standalone(tmp_path / "03_train.ipynb", executed, [])
    assert ["".join(cell.source) for cell in nbformat.read(executed, as_version=4).cells] == texts
