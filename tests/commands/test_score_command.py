"""The command ``score``: each row of a table gets a prediction of the model in production, or a fault."""

import pandas as pd
import pytest

from lib.commands import main
from tests import workspaces
from tests.workspaces import NAME, pipeline_in, table

# Fixtures.
copy_after = workspaces.copy_after
quick = workspaces.quick
with_champion = workspaces.with_champion
trained = workspaces.trained
pytestmark = pytest.mark.usefixtures("quick")


def score(workspace, data, out, *more):
    """Run the command on a table, and return its exit code."""
    given = {"name": NAME, "workspace": workspace, "data": data, "target_column": "bought", "task": "binary"}
    assignments = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
    options = ["--params", "parameters/base.yaml", *assignments, "-p", "primary_metric=roc_auc"]
    return main(["score", "--data", str(data), "--out", str(out), *options, *more])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scored_rows_equal_the_models_own_predictions(with_champion, tmp_path, capsys, suffix):
    rows = table(rows=300, seed=5).assign(id=range(300))
    rows.loc[4, "size"] = None
    data, out = tmp_path / "new.csv", tmp_path / f"out.{suffix}"
    rows.to_csv(data, index=False)
    lines = data.read_text().splitlines()
    lines[10] = lines[10].replace(lines[10].split(",")[0], "huge", 1)
    data.write_text("\n".join(lines))
    assert score(with_champion, data, out) == 0
    output = capsys.readouterr().out
    assert "row 10: column 'size': got the text \"huge\", expected a number" in output
    scored = pd.read_parquet(out) if suffix == "parquet" else pd.read_csv(out)
    faulty = scored["fault"].notna()
    assert (
        len(scored) == 300
        and scored["row"].tolist() == list(range(1, 301))
        and 10 in scored.loc[faulty, "row"].tolist()
    )
    assert f"{300 - faulty.sum()} of 300 rows scored by {NAME}, version 1" in output

    pipeline = pipeline_in(with_champion)
    version = pipeline.backend.models(NAME).production()
    model = pipeline.backend.tracking.load_model(pipeline.backend.tracking.model_folder(version.source, version.sha256))
    expected = model.predict_proba(rows[~faulty])
    assert scored.loc[~faulty, "probability_yes"].to_numpy() == pytest.approx(expected[:, 1], abs=1e-12)
    assert scored.loc[~faulty, "prediction"].tolist() == model.predict(rows[~faulty]).tolist()
    assert scored["id"].astype(int).tolist() == list(range(300))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_get_reasons_and_warnings(with_champion, tmp_path, capsys, suffix):
    rows = table(rows=20, seed=5)
    rows.loc[3, "size"] = 1e6
    rows.loc[7, "size"] = -1e6
    rows.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / f"out.{suffix}"
    assert score(with_champion, tmp_path / "new.csv", out, "--reasons", "2") == 0
    assert "unusual values; the column `warnings` of " in capsys.readouterr().out
    scored = pd.read_parquet(out) if suffix == "parquet" else pd.read_csv(out)
    assert scored.loc[3, "reason_1"] == scored.loc[7, "reason_1"] == "size"
    assert scored.loc[3, "effect_1"] * scored.loc[7, "effect_1"] < 0
    assert "column 'size': got the number 1000000.0, expected " in scored.loc[3, "warnings"]


@pytest.mark.parametrize("count", ["-1", "101"])
def test_unusable_number_of_reasons_is_refused(with_champion, tmp_path, capsys, count):
    table().to_csv(tmp_path / "new.csv", index=False)
    assert score(with_champion, tmp_path / "new.csv", tmp_path / "out.csv", "--reasons", count) == 2
    assert "--reasons: " in capsys.readouterr().err


def test_registry_without_production_version_is_an_error(trained, tmp_path, capsys):
    table().to_csv(tmp_path / "new.csv", index=False)
    assert score(trained, tmp_path / "new.csv", tmp_path / "out.csv") == 3
    assert "has the tag production" in capsys.readouterr().err and not (tmp_path / "out.csv").exists()


def test_missing_column_suggests_the_nearest(with_champion, tmp_path, capsys):
    table().rename(columns={"size": "sise"}).to_csv(tmp_path / "new.csv", index=False)
    assert score(with_champion, tmp_path / "new.csv", tmp_path / "out.csv") == 2
    assert "Did you mean 'sise'?" in capsys.readouterr().err and not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(("out", "more"), [("out.xlsx", ()), ("out.csv", ("--version", "7"))])
def test_unusable_option_is_refused(with_champion, tmp_path, capsys, out, more):
    table().to_csv(tmp_path / "new.csv", index=False)
    assert score(with_champion, tmp_path / "new.csv", tmp_path / out, *more) == 2
    assert capsys.readouterr().err.startswith("run_all.py: ")


def test_given_encoding_is_used(with_champion, tmp_path):
    data, out = tmp_path / "new.csv", tmp_path / "out.csv"
    data.write_bytes(table(rows=20, seed=5).assign(miasto="Łódź").to_csv(index=False).encode("cp1250"))
    assert score(with_champion, data, out, "-p", "encoding=cp1250") == 0
    assert (pd.read_csv(out)["miasto"] == "Łódź").all()
