"""A new project in one command, and its upgrades to newer releases without a conflict."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from lib.commands import _project, main
from lib.paths import ROOT

IDENTITY = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]


def git(folder, *arguments):
    result = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def run(folder, *arguments):
    """Run the command line of a project."""
    command = [sys.executable, "run_all.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def commit_all(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture
def upstream(tmp_path):
    """Return a git repository with the files of this checkout, as a release of Millrace."""
    folder = tmp_path / "millrace"
    ignored = shutil.ignore_patterns("__pycache__", "gallery")
    for name in ("lib", "notebooks", "parameters", "pipelines", "custom", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for file in ROOT.iterdir():
        if file.is_file() and file.name != ".git":
            shutil.copy(file, folder)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit_all(folder, "First release")
    git(folder, "tag", "v0.1.0")
    return folder


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "churn.csv"
    rows = [f"{number % 23},{number * number % 11},{'yes' if number % 3 else 'no'}" for number in range(90)]
    file.write_text("\n".join(["months,calls,churned", *rows]) + "\n")
    return file


def new(folder, upstream, *arguments):
    return main(["new", str(folder), "--source", str(upstream), *arguments])


def test_new_project_has_everything_of_its_own(upstream, table, tmp_path, capsys):
    project = tmp_path / "churn"
    assert new(project, upstream, "--data", str(table), "--target", "churned") == 0
    own = git(project, "diff", "--name-only", "v0.1.0", "HEAD").splitlines()
    assert set(own) == {
        "custom/README.md",
        "custom/azure-pipelines.yml",
        "custom/millrace.yaml",
        "custom/pipelines/churn.py",
        "custom/tests/test_churn.py",
        "parameters/churn.yaml",
        "parameters/contracts/churn.yaml",
        "parameters/schemas/churn.yaml",
    }
    assert git(project, "status", "--porcelain") == ""
    pin = _project.read_pin(project)
    assert pin["commit"] == git(upstream, "rev-parse", "HEAD") and pin["source"] == str(upstream)
    checked = run(project, "check", "--params", "parameters/churn.yaml")
    assert checked.returncode == 0, checked.stderr
    pipeline = yaml.safe_load((project / "custom" / "azure-pipelines.yml").read_text())
    assert {"name": "useCase", "value": "parameters/churn.yaml"} in pipeline["variables"]
    assert pipeline["stages"][0]["stage"] == "custom"
    templates = re.findall(r"template: (\S+)", (project / "custom" / "azure-pipelines.yml").read_text())
    assert templates and all((project / template.lstrip("/")).is_file() for template in templates)
    assert "make install" in capsys.readouterr().out


@pytest.mark.slow
def test_project_without_a_table_is_filled_by_hand(upstream, tmp_path):
    project = tmp_path / "team-churn"
    assert new(project, upstream, "--task", "regression", "--target", "price") == 0
    values = yaml.safe_load((project / "parameters" / "team-churn.yaml").read_text())
    assert (values["name"], values["pipeline"], values["primary_metric"]) == ("team-churn", "team_churn", "r2")


@pytest.mark.parametrize(
    ("folder", "arguments", "message"),
    [
        ("full", [], "exists and is not empty"),
        ("churn", ["--name", "Churn!"], "--name: 'Churn!' is not allowed"),
        ("churn", ["--version", "v9"], "git rev-parse --verify failed"),
        ("churn", ["--data", __file__, "--target", "no_such_column"], "the table cannot be used"),
    ],
)
def test_impossible_project_is_refused(upstream, tmp_path, capsys, folder, arguments, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert new(tmp_path / folder, upstream, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "churn").exists()


def test_checkout_of_millrace_is_no_project(tmp_path, capsys):
    assert main(["upgrade", str(tmp_path)]) == 2
    assert "is not a git repository that uses Millrace" in capsys.readouterr().err


class TestUpgrade:
    @pytest.fixture
    def project(self, upstream, table, tmp_path):
        folder = tmp_path / "churn"
        assert new(folder, upstream, "--data", str(table), "--target", "churned") == 0
        return folder

    def release(self, upstream, tag):
        """Make a release that changes files which customers used to edit."""
        for name in ("README.md", "docs/metrics.md"):
            file = upstream / name
            file.write_text(f"Release {tag}\n" + file.read_text())
        base = upstream / "parameters" / "base.yaml"
        base.write_text(f"# Release {tag}\n" + base.read_text())
        file = upstream / "pyproject.toml"
        file.write_text(re.sub(r'^version = ".*"', f'version = "{tag[1:]}"', file.read_text(), flags=re.MULTILINE))
        commit_all(upstream, f"Release {tag}")
        git(upstream, "tag", tag)

    def test_newest_tag_is_merged_and_recorded(self, upstream, project, capsys):
        self.release(upstream, "v0.2.0")
        (upstream / "README.md").write_text("after the release")
        commit_all(upstream, "Unreleased")
        assert main(["upgrade", str(project)]) == 0
        assert _project.read_pin(project)["version"] == "0.2.0"
        assert (project / "README.md").read_text().startswith("Release v0.2.0")
        assert "Upgraded Millrace from 0.1.0" in capsys.readouterr().out
        assert main(["upgrade", str(project)]) == 0
        assert "already uses Millrace 0.2.0" in capsys.readouterr().out

    def test_edited_file_of_millrace_is_named_and_nothing_changes(self, upstream, project, capsys):
        (project / "README.md").write_text("Mine\n")
        commit_all(project, "Edit")
        before = git(project, "rev-parse", "HEAD")
        self.release(upstream, "v0.2.0")
        assert main(["upgrade", str(project)]) == 1
        assert "were edited in this project: README.md." in capsys.readouterr().err
        assert git(project, "rev-parse", "HEAD") == before and git(project, "status", "--porcelain") == ""

    @pytest.mark.slow
    def test_uncommitted_changes_are_refused(self, upstream, project, capsys):
        (project / "custom" / "note.txt").write_text("new")
        assert main(["upgrade", str(project)]) == 2
        assert "Commit your changes first" in capsys.readouterr().err

    @pytest.mark.slow
    def test_use_case_that_the_new_release_refuses_is_reported(self, upstream, project, capsys):
        file = project / "parameters" / "churn.yaml"
        file.write_text(file.read_text() + "sead: 7\n")
        commit_all(project, "Typo")
        self.release(upstream, "v0.2.0")
        assert main(["upgrade", str(project)]) == 2
        assert "sead" in capsys.readouterr().out


PREDICT = """
import json, sys
import pandas as pd
from lib import metrics, training
from lib.pipelines import get_pipeline, open_pipeline
from lib.training import TrainingRequest
pipeline = open_pipeline("parameters/shop.yaml", {"workspace": sys.argv[1]})
rows = pipeline.prepare_data(pd.read_csv("parameters/shop.csv"))
X, y = rows.drop(columns="bought"), rows["bought"]
request = TrainingRequest("binary", metrics.get("roc_auc", "binary"), seed=0, threads=1)
model = pipeline.training_function("mine")(X, y, request)
print(json.dumps(model.predict_proba(X).round(12).tolist()))
"""


@pytest.mark.slow
def test_three_upgrades_keep_code_of_every_kind_and_its_predictions(tmp_path):
    """From the last commit before custom/ existed to a release of the future."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs the history of Millrace")
    added = git(ROOT, "log", "--diff-filter=A", "--format=%H", "--", "lib/extensions.py").splitlines()
    if not added or git(ROOT, "rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("needs the history of Millrace")
    upstream, project = tmp_path / "millrace", tmp_path / "shop"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(upstream))
    first = added[-1]
    git(upstream, "tag", "--force", "v0.0.1", f"{first}~1")
    git(upstream, "tag", "--force", "v0.0.2", first)
    git(upstream, "tag", "--force", "v0.0.3", "HEAD")
    git(tmp_path, "clone", "--quiet", str(upstream), str(project))
    git(project, "checkout", "--quiet", "-B", "main", "v0.0.1")
    write_old_code(project)
    commit_all(project, "My code")

    def predict():
        result = subprocess.run(
            [sys.executable, "-c", PREDICT, str(tmp_path / "workspace")], cwd=project, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    expected = predict()
    for number, tag in enumerate(["v0.0.2", "v0.0.3", "v0.0.4"]):
        if tag == "v0.0.4":
            TestUpgrade().release(upstream, tag)
        assert main(["upgrade", str(project), "--source", str(upstream), "--to", tag]) == 0
        assert predict() == expected
        if number == 1:
            move_to_custom(project)
            commit_all(project, "Move my code to custom/")
            assert predict() == expected
    checked = run(project, "check", "--params", "parameters/shop.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def write_old_code(project):
    """Write a pipeline and a training function where releases before ``custom/`` looked for them."""
    (project / "lib" / "pipelines" / "shop.py").write_text(
        "from lib.pipelines.base import BasePipeline\n\n\nclass ShopPipeline(BasePipeline):\n"
        "    def prepare_data(self, frame):\n        return frame.assign(double=frame['size'] * 2)\n"
    )
    (project / "lib" / "training" / "mine.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n\nfrom lib.training import fit_pipeline\n\n\n"
        "def train(X, y, request, *, c: float = 1.0):\n"
        "    return fit_pipeline(LogisticRegression(C=c), X, y, request, 'linear')\n"
    )
    rows = [f"{number},{'red' if number % 2 else 'green'},{'yes' if number > 30 else 'no'}" for number in range(60)]
    (project / "parameters" / "shop.csv").write_text("\n".join(["size,colour,bought", *rows]) + "\n")
    (project / "parameters" / "shop.yaml").write_text(
        "name: shop\npipeline: shop\ndata: parameters/shop.csv\ntarget_column: bought\ntask: binary\n"
        "primary_metric: roc_auc\ntraining_functions: [mine]\n"
    )


def move_to_custom(project):
    """Move the code to ``custom/``, and add a metric, features and a stage."""
    for area, name in (("pipelines", "shop"), ("training", "mine")):
        (project / "custom" / area).mkdir(parents=True, exist_ok=True)
        (project / "lib" / area / f"{name}.py").rename(project / "custom" / area / f"{name}.py")
    for kind, name in (("metric", "profit"), ("features", "worth"), ("stage", "announce")):
        assert run(project, "add", kind, name).returncode == 0
    with (project / "parameters" / "shop.yaml").open("a") as file:
        file.write("metrics: {profit: {worth: 2.0}}\nstages: {after_deploy: [announce]}\n")
