"""The documentation is true: its tables are those of the code, and its commands, files and links exist."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lib import automl, metrics, training
from lib.automl import portfolio
from lib.chain.notebooks import OUTSIDE_CHAIN, read_all
from lib.commands import EXIT_CODES, available, main
from lib.parameters import SPECS, check_given, load
from lib.parameters.layers import BASE
from lib.paths import ROOT
from lib.pipelines.base import BasePipeline
from lib.training import TrainingRequest

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "customise").glob("*.md"),
        ROOT / "data/README.md",
    ]
}
EXAMPLE_FILES = {
    "parameters/churn.yaml",
    "parameters/schemas/",
    "parameters/contracts",
    "data/churn.csv",
    "data/churn.parquet",
    "data/new_rows.csv",
    "parameters/bikes-cost.yaml",
    "parameters/bikes-usual.yaml",
    "parameters/bikes-slide.yaml",
    "parameters/bikes-acme.yaml",
    "parameters/late-flights.yaml",
}
# Pages about earlier versions, which may name what no longer exists.
HISTORY = {"CHANGELOG.md", "docs/upgrading.md"}


def read_table(page, first_header):
    """Return a Markdown table as a dictionary from its first column to its second."""
    text = PAGES[page].split(f"| {first_header} |", maxsplit=1)[1]
    lines = text.split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {row[0]: row[1] for row in rows}


def stage_names():
    """Return the names of the stages in their order."""
    return [notebook.stage for notebook in read_all()]


def test_metrics_table_matches_the_code():
    documented = {task: names.split(", ") for task, names in read_table("docs/metrics.md", "task").items()}
    assert documented == {task: metrics.names(task) for task in metrics.TASKS}


def test_exit_code_table_matches_the_code():
    assert read_table("docs/cli.md", "exit code") == {str(code): meaning for code, meaning in EXIT_CODES.items()}


def test_training_function_table_matches_the_folder():
    assert sorted(read_table("docs/models.md", "training function")) == training.available(is_bundled=True)


def test_automl_tables_match_the_code():
    assert sorted(read_table("docs/automl.md", "automl engine")) == automl.available()
    engines_by_family = {
        family: [engine for engine in automl.available() if family not in automl.MISSING_FAMILIES.get(engine, ())]
        for family in automl.FAMILIES
    }
    documented = read_table("docs/automl.md", "model family")
    assert tuple(documented) == automl.FAMILIES
    for family, engines in documented.items():
        expected = engines_by_family[family]
        assert engines == "all" if expected == automl.available() else sorted(engines.split(", ")) == expected


def test_repository_layout_names_existing_folders():
    for place in read_table("README.md", "place"):
        folder = place.strip("`").split("/")[0]
        assert (ROOT / folder).exists() or folder in ("runs", "workspace"), place


def test_notebook_table_matches_the_folder():
    documented = [name.strip("`") for name in read_table("docs/notebooks.md", "notebook")]
    assert sorted(documented) == sorted(str(notebook.path.relative_to(ROOT)) for notebook in read_all())


def test_documented_stages_match_the_notebooks():
    names = re.search(r"Stages are ([a-z, ]+) and ([a-z]+)\.", PAGES["docs/cli.md"])
    assert [*names[1].split(", "), names[2]] == stage_names()


def test_hook_table_matches_the_base_class():
    methods_of_stages = {*stage_names(), *OUTSIDE_CHAIN, "publish_outputs"}
    hooks = [
        name
        for name, member in vars(BasePipeline).items()
        if callable(member) and not name.startswith("_") and name not in methods_of_stages
    ]
    assert [name.strip("`") for name in read_table("docs/customise.md", "hook")] == hooks


@pytest.mark.parametrize("page", sorted(PAGES))
def test_named_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z-]+)", PAGES[page], re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("page", sorted(PAGES.keys() - HISTORY))
def test_named_files_exist(page):
    named = re.findall(r"`((?:lib|tests|parameters|notebooks|data|benchmarks|docs)/[\w./-]+)`", PAGES[page])
    assert [name for name in named if name not in EXAMPLE_FILES and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", sorted(PAGES.keys() - HISTORY))
def test_names_are_in_the_files_that_pages_place_them_in(page):
    places = re.findall(r"`([\w.]+)` (?:in|of) `((?:lib|tests|docs)/[\w./-]+\.\w+)`", PAGES[page])
    missing = [(name, file) for name, file in places if name not in (ROOT / file).read_text(encoding="utf-8")]
    assert missing == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/customise.md"])
def test_documented_signature_of_an_engine_matches_the_code(page):
    arguments, result = re.search(r"search\((.*?)\).*?(?:return |returns an? `)(\w+)", PAGES[page], re.DOTALL).groups()
    assert arguments.split(", ") == list(inspect.signature(portfolio.search).parameters)
    assert result == portfolio.search.__annotations__["return"]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_relative_links_lead_to_files_and_headings(page):
    broken = []
    for address in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in address:
            continue
        path, _, anchor = address.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        if not target.exists() or (anchor and anchor not in heading_anchors(target)):
            broken.append(address)
    assert broken == []


def heading_anchors(path):
    """Return the anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_messages_quoted_by_the_faq_exist():
    quoted = re.findall(r'^### .*"(.+?)\.?"', PAGES["docs/faq.md"], re.MULTILINE)
    code = "\n".join(file.read_text(encoding="utf-8") for file in [ROOT / "Makefile", *(ROOT / "lib").rglob("*.py")])
    assert quoted and [message for message in quoted if message not in code] == []


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")]
    assert [page for page in pages if f": {page}\n" not in navigation] == []


def test_readme_fits_on_a_few_screens():
    assert len(PAGES["README.md"].splitlines()) <= 150


@pytest.mark.parametrize("page", ["docs/models.md", "docs/automl.md", "docs/endpoint.md"])
def test_parameter_tables_name_real_parameters(page):
    for text in re.findall(r"\| parameter \|.*?\n\n", PAGES[page] + "\n\n", re.DOTALL):
        names = [name for line in text.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split(" | ")[0])]
        assert names and set(names) <= SPECS.keys()


def test_example_parameter_file_is_valid(tmp_path):
    text = re.search(r"```yaml\n(.*?)```", PAGES["docs/tables.md"], re.DOTALL)[1]
    file = tmp_path / "churn.yaml"
    file.write_text(text)
    layers = load([file], base=BASE)
    assert not layers.faults
    assert check_given(layers.values)["target_column"] == "churned"


def test_example_training_function_trains_a_model():
    code = next(
        text
        for text in re.findall(r"```python\n(.*?)```", PAGES["docs/customise.md"], re.DOTALL)
        if "def train" in text
    )
    namespace = {}
    exec(compile(code, "docs/customise.md", "exec"), namespace)
    random = np.random.default_rng(0)
    X = pd.DataFrame({"amount": random.normal(size=60), "city": random.choice(["Oslo", "Rome", None], size=60)})
    y = pd.Series(X["amount"] > 0)
    request = TrainingRequest("binary", metrics.get("roc_auc", "binary"), seed=0, threads=1)
    assert namespace["train"](X, y, request, c=2.0).predict(X).shape == (60,)


def test_documented_dry_run_works(capsys):
    assert main(["--params", "parameters/penguins.yaml", "--dry-run"]) == 0
    assert "evaluate" in capsys.readouterr().out


def test_every_command_is_documented():
    missing = [name for name in available() if name != "run" and f"run_all.py {name}" not in PAGES["docs/cli.md"]]
    assert missing == []


def test_outputs_that_own_stages_read_are_those_of_the_notebooks():
    documented = read_table("docs/customise.md", "published by")
    outputs = {notebook.stage: [f"`{name}`" for name in notebook.outputs] for notebook in read_all()}
    by_row = {row: [outputs[stage] for stage in row.split(", ")] for row in documented}
    for row, text in documented.items():
        assert all(text.split(", ") == names for names in by_row[row]), row
    assert {stage for row in documented for stage in row.split(", ")} == {name for name in outputs if outputs[name]}


def test_help_lists_every_documented_option():
    lines = re.findall(r"^python run_all\.py (?:(\w+) )?(.*--.*)$", PAGES["docs/cli.md"], flags=re.MULTILINE)
    assert len(lines) > 5
    for command, arguments in lines:
        help_command = [sys.executable, "run_all.py", *filter(None, [command]), "--help"]
        shown = subprocess.run(help_command, cwd=ROOT, capture_output=True, text=True).stdout
        assert set(re.findall(r"--[a-z][a-z-]+", arguments)) <= set(re.findall(r"--[a-z][a-z-]+", shown)), command


def test_site_is_self_contained_and_lists_every_parameter(tmp_path):
    pytest.importorskip("mkdocs", reason='needs make install GROUPS="docs"')
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for page in tmp_path.glob("*.html"):
        loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(https?://[^"]*)', page.read_text())
        assert loaded == [], page.name
    parameter_page = (tmp_path / "parameters.html").read_text()
    assert re.findall(r"<tr>\s*<td><code>(\w+)</code></td>", parameter_page) == list(SPECS)
