"""Time by number of columns: init, preprocess, the search for leaks, and the training of gradient_boosting.

``python -m benchmarks.wide 2500 5000 10000 20000`` sets the numbers of columns; tables have 64 rows. Where columns
double, time should at most double too. Each size runs in a process of its own; seconds are CPU time of all threads.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS = (1_250, 2_500, 5_000, 10_000, 20_000)
_ROWS = 64
_TARGET = "y"
_STEPS = ("init", "preprocess", "leak search", "train")


def main(sizes):
    print(f"| columns | {' | '.join(f'{step}, s | x' for step in _STEPS)} |")
    print(f"| ---: {'| ---: ' * 2 * len(_STEPS)}|")
    before = {}
    for columns in sizes:
        command = [sys.executable, "-m", "benchmarks.wide", "--measure", str(columns)]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        seconds = json.loads(output.splitlines()[-1])
        cells = [f"{seconds[step]:.2f} | {ratio(seconds[step], before.get(step))}" for step in _STEPS]
        print(f"| {columns:,} | {' | '.join(cells)} |", flush=True)
        before = seconds


def ratio(seconds, seconds_before):
    """Return how many times longer a step took than for the size before."""
    return f"{seconds / seconds_before:.1f}" if seconds_before else ""


def make_table(file, columns):
    """Write a table of numbers, a tenth of them categories, and two classes."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    levels = np.array(["low", "middle", "high"])
    table = {
        f"gene_{place}": random.normal(size=_ROWS).round(4) if place % 10 else levels[random.integers(0, 3, _ROWS)]
        for place in range(columns)
    }
    table[_TARGET] = np.where(table["gene_1"] + random.normal(size=_ROWS) > 0, "case", "control")
    pd.DataFrame(table).to_csv(file, index=False)


def measure(columns):
    """Return the seconds of each step for one number of columns."""
    from lib import backends, metrics, training
    from lib.parameters import Parameters, check_given, load
    from lib.pipelines.base import BasePipeline
    from lib.stages import preprocess
    from lib.tables import proposal, sources
    from lib.tables.quality import contract, contract_file, leakage
    from lib.training import TrainingRequest

    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        file, contract_path = Path(folder) / "wide.csv", Path(folder) / "contract.yaml"
        make_table(file, columns)

        started = time.process_time()
        frame = sources.read(str(file))
        proposed = proposal.propose(frame, _TARGET)
        contract_file.write(contract.from_profile(proposed.columns), contract_path, str(file), len(frame))
        seconds["init"] = time.process_time() - started

        started = time.process_time()
        leakage.describe_leaks(frame, _TARGET, "binary")
        seconds["leak search"] = time.process_time() - started

        given = {"data": str(file), "contract": str(contract_path), "on_violation": "warn", "target_column": _TARGET}
        values = {**load([]).values, **given, **proposed.parameters, "name": "wide", "workspace": folder}
        parameters = Parameters(check_given(values))
        backend = backends.connect(parameters)
        started = time.process_time()
        result = preprocess.run(BasePipeline(parameters, backend), backend, parameters)
        for table in (result.sizes, result.violations, result.columns):
            table._repr_html_()  # as the notebook does
        seconds["preprocess"] = time.process_time() - started

        train = backend.read_table(result.train_data)
        request = TrainingRequest("binary", metrics.get("roc_auc", "binary"), seed=0, threads=1)
        started = time.process_time()
        training.get("gradient_boosting")(train.drop(columns=_TARGET), train[_TARGET], request)
        seconds["train"] = time.process_time() - started
    return seconds


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(int(sys.argv[2]))))
    else:
        main([int(argument) for argument in sys.argv[1:]] or COLUMNS)
