"""Precision and recall of the search for leaks, for leaks of a single column and of a group.

``python -m benchmarks.leakage FOLDER`` adds the tables of a folder to generated ones. `leakage_labels.yaml` names the
leaks of those tables. Without a folder, only generated tables and scikit-learn's own are searched.

A labelled leak is found if all its columns are reported, for a group in one finding. A finding is right if all its
columns are part of one labelled leak.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks import _leaky_tables
from lib.tables import proposal, sources
from lib.tables.quality import leakage
from lib.tables.targets import prepare_target

_LABELS = Path(__file__).with_name("leakage_labels.yaml")
_PLANTED_ROWS, _PLANTED_SEEDS = (200, 1_000, 20_000), (0,)
_HONEST_ROWS, _HONEST_SEEDS = (40, 100, 300, 2_000), (0,)


@dataclass
class Counts:
    """Numbers of leaks and findings.

    Attributes
    ----------
    labelled, found : dict of str to int
        Labelled leaks, and those of them that were found, of a ``single`` column and of a ``group``.
    reported, right : dict of str to int
        Findings, and the right ones among them.
    """

    labelled: dict = field(default_factory=lambda: {"single": 0, "group": 0})
    found: dict = field(default_factory=lambda: {"single": 0, "group": 0})
    reported: dict = field(default_factory=lambda: {"single": 0, "group": 0})
    right: dict = field(default_factory=lambda: {"single": 0, "group": 0})
    tables: int = 0
    seconds: float = 0.0

    def add(self, leaks, findings):
        """Compare the labelled leaks of a table with its findings, both lists of column names."""
        leaks, findings = [set(leak) for leak in leaks], [set(finding) for finding in findings]
        for leak in leaks:
            size = _size(leak)
            self.labelled[size] += 1
            self.found[size] += any(leak <= finding for finding in findings)
        for finding in findings:
            size = _size(finding)
            self.reported[size] += 1
            self.right[size] += any(finding <= leak for leak in leaks)
        self.tables += 1

    def row(self, name, size):
        """Return a row of the result table."""
        right, reported, found, labelled = (
            counts[size] for counts in (self.right, self.reported, self.found, self.labelled)
        )
        precision = f"{right / reported:.3f} ({right} of {reported})" if reported else "no findings"
        recall = f"{found / labelled:.3f} ({found} of {labelled})" if labelled else "no leaks"
        return f"| {name} | {size} | {self.tables} | {precision} | {recall} | {self.seconds / self.tables:.2f} |"


def _size(columns):
    return "single" if len(columns) == 1 else "group"


def findings_of_init(table, target, task):
    """Return the columns of each finding of init, dropped or only reported."""
    proposed = proposal.propose(table, target, task)
    return [[str(name) for name in columns] for columns in proposed.leaks]


def findings_of_preprocess(table, target, task):
    """Return the columns of each finding of the preprocess stage."""
    table, _ = prepare_target(table, target, task)
    return [[str(name) for name in leak.columns] for leak in leakage.find_leaks(table, target, task, max_rows=3_000)]


def public_tables(folder):
    """Yield (name, table, target, task, leaks) for the labelled tables of a folder and of scikit-learn."""
    from sklearn import datasets

    for label in yaml.safe_load(_LABELS.read_text(encoding="utf-8")) if folder else []:
        path = Path(folder) / label["file"]
        if path.exists():
            yield label["file"], sources.read(str(path)), label["target"], "", label["leaks"]
    for load in (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes):
        task = "regression" if load is datasets.load_diabetes else ""
        yield load.__name__, load(as_frame=True).frame, "target", task, []


def main(folder):
    groups = {
        "public": list(public_tables(folder)),
        "planted": [
            (name, table, _leaky_tables.TARGET, task, leaks)
            for name, table, task, leaks in _leaky_tables.planted_tables(_PLANTED_ROWS, _PLANTED_SEEDS)
        ],
        "honest": [
            (name, table, _leaky_tables.TARGET, task, leaks)
            for name, table, task, leaks in _leaky_tables.honest_tables(_HONEST_ROWS, _HONEST_SEEDS)
        ],
    }
    stages = {"init": findings_of_init, "preprocess": findings_of_preprocess}
    rows, mistakes = [], []
    for group, tables in groups.items():
        counts = {stage: Counts() for stage in stages}
        for name, table, target, task, leaks in tables:
            for stage, find in stages.items():
                started = time.process_time()
                findings = find(table.copy(), target, task or proposal.propose(table, target).parameters["task"])
                counts[stage].seconds += time.process_time() - started
                counts[stage].add(leaks, findings)
                if sorted(map(sorted, findings)) != sorted(map(sorted, leaks)):
                    mistakes.append(f"{name}, {stage}: expected {leaks}, found {findings}")
        rows += [
            counts[stage].row(f"{group}, {stage}", size)
            for stage in stages
            for size in ("single", "group")
            if group != "honest" or size == "single"
        ]
    print("\n".join(mistakes))
    print("\n| tables, found by | leaks | tables | precision | recall | seconds of CPU |")
    print("| --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
