"""Compare two runs: parameters, data, code, versions, scores, decision, and the likely cause of the difference."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.chain import record as records
from lib.commands import _runs

if TYPE_CHECKING:
    from lib.evidence.report.run_files import RunFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("first", metavar="A", help="the earlier run: its folder, or its name in runs_folder")
    parser.add_argument("second", metavar="B", help="the later run")
    _runs.add_folder_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the comparison in Markdown, for a terminal or a comment on a pull request."""
    from lib.evidence.compare.content import compare_runs
    from lib.evidence.report.markdown import render_comparison
    from lib.evidence.report.run_files import read_run

    folders = [_runs.find_named_run(name, options) for name in (options.first, options.second)]
    first, second = (read_run(folder, records.read_current(folder)) for folder in folders)
    print(render_comparison(compare_runs(first, second, measure_difference(first, second))))
    return 0


def measure_difference(first: RunFiles, second: RunFiles) -> dict[str, Any] | str:
    """Return how much better the best candidate of the second run is, on test rows that neither has trained on.

    Both models are loaded and score the same rows, so that the interval is that of a paired comparison.

    Returns
    -------
    dict or str
        See ``stages._facts.describe_difference``; a string says why the models cannot be compared.
    """
    facts = [run.facts("evaluate") for run in (first, second)]
    if not all(facts):
        return "not measured: one of the runs did not come to a decision"
    if first.name != second.name or facts[0]["metric"] != facts[1]["metric"]:
        return "not measured: the runs are of different use cases, or have different metrics"
    test_data = [run.outputs().get("test_data") for run in (first, second)]
    if not all(test_data) or not _hash_test_rows(first) or _hash_test_rows(first) != _hash_test_rows(second):
        return "not measured: the test rows differ, so one model may have trained on those of the other"
    return _score_both(first, second)


def _hash_test_rows(run: RunFiles) -> str:
    """Return the SHA-256 of the test rows of a run, as the fingerprint of evaluate has it; empty if it is not known."""
    prints = [stage.get("fingerprint", {}) for stage in run.stages if stage["stage"] == "evaluate"]
    return next((each["the content of test_data"] for each in prints if "the content of test_data" in each), "")


def _score_both(first: RunFiles, second: RunFiles) -> dict[str, Any] | str:
    from lib import backends, metrics
    from lib.backends.model_files import IncompatibleModelError
    from lib.errors import MillraceError
    from lib.evaluation.comparison import compare
    from lib.parameters import Parameters
    from lib.stages._facts import describe_difference

    parameters = Parameters(second.parameters)
    try:
        backend = backends.connect(parameters)
        test = backend.read_table(second.outputs()["test_data"])
        y, rows = test[parameters.target_column], test.drop(columns=parameters.target_column)
        predictions = []
        for run in (first, second):
            stored = backend.tracking.candidate_run(run.facts("evaluate")["best_run_id"])
            model = backend.tracking.load_model(backend.tracking.model_folder(*backend.tracking.model_source(stored)))
            predictions.append(metrics.predict(model, rows, parameters.task, parameters.positive_class))
    except (MillraceError, IncompatibleModelError) as error:
        return f"not measured: {error}"
    difference = compare(parameters.metric, y.to_numpy(), [predictions[1]], predictions[0], parameters.seed)[0]
    return describe_difference(difference)


def find_previous_run(folder: Path) -> Path | None:
    """Return the newest earlier run of the same use case that came to a decision; None if there is none."""
    from lib.evidence.report.verdict import find_facts

    name = records.read(folder).get("name")
    for earlier in records.list_newest_first(folder.parent):
        if earlier.name < folder.name:
            state = records.read(earlier)
            if state.get("name") == name and find_facts(state, "evaluate"):
                return earlier
    return None
