"""Folders of runs as the chain leaves them, written in-process: a record, parameters and notebooks with results."""

import base64
import json

import yaml

from lib import charts
from lib.outputs import EVIDENCE_TYPE

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
).decode()
ORIGIN = {
    "user": "ada",
    "host": "laptop",
    "command": ["run_all.py", "--params", "parameters/shop.yaml"],
    "parameter_files": {"parameters/shop.yaml": "0" * 64},
    "assignments": ["seed=7"],
    "git": {"commit": "c0ffee", "branch": "main", "uncommitted": []},
    "versions": {"python": "3.11.9", "scikit-learn": "1.9.1"},
    "machine": {"platform": "Linux", "cores": 2},
}
PARAMETERS = {"name": "shop", "task": "binary", "split": "hash", "seed": 7, "calibration": "none", "backend": "local"}
EVALUATION = {
    "metric": "roc_auc",
    "greater_is_better": True,
    "best": "linear",
    "best_run_id": "r1",
    "champion": "champion v1",
    "not_comparable": "",
    "test_rows": 200,
    "score": 0.8,
    "contenders": [
        {"name": "linear", "run_id": "r1", "score": 0.81},
        {"name": "champion v1", "run_id": "r0", "score": 0.7},
        {"name": "no-skill", "run_id": "", "score": 0.5},
    ],
    "against_champion": {"estimate": 0.11, "low": 0.02, "high": 0.2, "rows": 200, "method": "DeLong"},
    "against_no_skill": {"estimate": 0.31, "low": 0.2, "high": 0.4, "rows": 200, "method": "DeLong"},
    "gates": [{"gate": "min_score", "verdict": "passed", "measured": "roc_auc 0.81", "limit": "0.7"}],
    "sentences": {"outcome": "linear is version 2 and goes to production in place of version 1."},
    "promoted": True,
    "production_before": "1",
    "production": "2",
}


def chart_exhibit(name="curve", **fields):
    """Return the exhibit of a chart with one pixel."""
    title = fields.pop("title", name.capitalize())
    return {"kind": "chart", "name": name, "title": title, "caption": "", "section": "", "png": PIXEL, **fields}


def table_exhibit(rows, columns, name="sizes", **label):
    """Return the exhibit of a table whose first column names the rows."""
    table = charts.Table(rows, columns=columns).set_index(columns[0])
    if label:
        charts.label(table, **label)
    return charts.to_exhibit(table, name)


def result(*exhibits, **facts):
    """Return the result of a stage."""
    return {"verdict": "", "notes": [], "facts": facts, "exhibits": list(exhibits)}


def write_run(folder, results=None, status="succeeded", parameters=None, stages=None, **facts):
    """Write the folder of a run whose stages published these results, by label, and return the folder."""
    folder.mkdir(parents=True)
    results = {"evaluate": result(**EVALUATION)} if results is None else results
    entries = []
    for number, (label, published) in enumerate(results.items(), start=1):
        notebook = f"{number:02}_{label.replace(' ', '-')}.ipynb"
        cells = [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": f"# {label}\n\nNext: [x](02_x.ipynb)."},
            {
                "cell_type": "code",
                "id": "b",
                "metadata": {},
                "source": "1",
                "outputs": [
                    {"output_type": "display_data", "metadata": {}, "data": {EVIDENCE_TYPE: published, "text/html": ""}}
                ],
            },
        ]
        (folder / notebook).write_text(json.dumps({"cells": cells}))
        entry = {"stage": label, "notebook": notebook, "status": "succeeded", "seconds": 1.5}
        if label.partition(" ")[0] == "train":
            entry["outputs"] = {"candidates": [published["facts"].get("run_id", "r1")]}
        entries.append(entry | ({"facts": published["facts"]} if published["facts"] else {}))
    state = {
        "name": "shop",
        "status": status,
        "started": "2026-11-30T10:00:00+00:00",
        "ended": "2026-11-30T10:01:05+00:00",
        "stages": entries if stages is None else stages,
        "started_by": ORIGIN,
        **facts,
    }
    (folder / "run.json").write_text(json.dumps(state))
    (folder / "parameters.yaml").write_text(yaml.safe_dump({**PARAMETERS, **(parameters or {})}))
    return folder
