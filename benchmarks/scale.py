"""Time and memory by number of rows: preprocess, train, and the same preprocessing in plain pandas.

``python -m benchmarks.scale 10000 1000000`` sets the numbers of rows. Each measurement runs in a process of its own.
Memory is the peak of that process minus its memory after a warm-up on a small table, as a multiple of the table's size
in Arrow. Times are medians of nine alternating pairs of preprocess and pandas, and of three trainings. Large tables are
measured once.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = (10_000, 100_000, 1_000_000)
_ROWS_PER_CHUNK = 250_000
_MAX_ROWS_REPEATED = 2_000_000
_PAIRS, _TRAININGS = 9, 3
_WARM_UP_ROWS = 1_000
_BYTES_PER_MEGABYTE = 2**20
_TARGET = "bought"
_HEADERS = (
    "rows",
    "Arrow MB",
    "preprocess s",
    "peak x Arrow",
    "plain pandas s",
    "times faster",
    "peak x Arrow",
    "train s",
    "peak x Arrow",
)


def main(sizes):
    print(f"| {' | '.join(_HEADERS)} |")
    print("| ---: " * len(_HEADERS) + "|")
    for rows in sizes:
        print(measure_size(rows), flush=True)


def measure_size(rows):
    """Return the row of the result table for one number of rows."""
    with tempfile.TemporaryDirectory() as folder:
        file, warm_up_file = Path(folder) / "table.csv", Path(folder) / "warm_up" / "table.csv"
        warm_up_file.parent.mkdir()
        # On Linux a child process inherits its parent's peak memory: keep this process small.
        for path, count in ((file, rows), (warm_up_file, _WARM_UP_ROWS)):
            subprocess.run([sys.executable, "-m", "benchmarks.scale", "--make", str(count), str(path)], check=True)
        arrow_bytes = measure("arrow", file)["bytes"]
        measure("preprocess", warm_up_file)  # writes the rows for the warm-up of training
        pairs, trainings = (1, 1) if rows > _MAX_ROWS_REPEATED else (_PAIRS, _TRAININGS)
        # Alternate, so that other load on the machine affects both alike.
        results = [
            (measure("preprocess", file, warm_up_file), measure("pandas", file, warm_up_file)) for _ in range(pairs)
        ]
        preprocess_runs, pandas_runs = zip(*results, strict=True)
        train_runs = [measure("train", file, warm_up_file) for _ in range(trainings)]
    speed_up = statistics.median(pandas["seconds"] / preprocess["seconds"] for preprocess, pandas in results)
    cells = [
        f"{rows:,}",
        f"{arrow_bytes / _BYTES_PER_MEGABYTE:,.1f}",
        *summarize(preprocess_runs, arrow_bytes),
        summarize(pandas_runs, arrow_bytes)[0],
        f"{speed_up:.1f}",
        summarize(pandas_runs, arrow_bytes)[1],
        *summarize(train_runs, arrow_bytes),
    ]
    return f"| {' | '.join(cells)} |"


def summarize(runs, arrow_bytes):
    """Return the median seconds, and the highest peak as a multiple of the table's size in Arrow."""
    seconds = statistics.median(run["seconds"] for run in runs)
    peak = max(run["peak"] for run in runs) / arrow_bytes
    return f"{seconds:.2f}", f"{peak:.2f}"


def make_table(file, rows):
    """Write a table of 20 columns: floats, integers, categories, a code, a date and a boolean; some with nulls."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    random = np.random.default_rng(0)
    shops = np.array([f"S{number:05d}" for number in range(2_000)])
    with file.open("wb") as out:
        for start in range(0, rows, _ROWS_PER_CHUNK):
            count = min(_ROWS_PER_CHUNK, rows - start)
            columns = {f"amount_{number}": random.normal(100, 30, count).round(4) for number in range(8)}
            columns |= {f"count_{number}": random.poisson(5 * (number + 1), count) for number in range(4)}
            for number, categories in enumerate((3, 5, 12, 40)):
                names = np.array([f"level {category}" for category in range(categories)])
                columns[f"group_{number}"] = names[random.integers(0, categories, count)]
            columns["shop"] = shops[random.integers(0, len(shops), count)]
            days = np.datetime64("2020-01-01") + random.integers(0, 1_500, count).astype("timedelta64[D]")
            columns["day"] = np.datetime_as_string(days)
            columns["member"] = random.integers(0, 2, count).astype(bool)
            score = columns["amount_0"] / 30 + columns["count_0"] / 3 + columns["member"] + random.normal(0, 1, count)
            columns[_TARGET] = np.where(score > 5.5, "yes", "no")
            frame = pd.DataFrame(columns)
            for name in ("amount_1", "amount_2", "group_1"):
                frame.loc[random.random(count) < 0.05, name] = None
            options = arrow_csv.WriteOptions(include_header=start == 0)
            arrow_csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), out, options)


def measure(task, file, warm_up_file=None):
    """Run one task in a process of its own, and return its measurements."""
    arguments = [str(path) for path in (file, warm_up_file) if path]
    command = [sys.executable, "-m", "benchmarks.scale", "--task", task, *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"{task} failed:\n{process.stderr}")
    return json.loads(process.stdout.splitlines()[-1])


def run_task(task, file, warm_up_file=None):
    """Run one task, after a warm-up, and print its seconds and peak memory."""
    import resource

    import psutil

    work = TASKS[task](file)
    if warm_up_file:
        TASKS[task](warm_up_file)()
    bytes_before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    measurements = work()
    seconds = time.perf_counter() - start
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024  # https://man7.org/linux/man-pages/man2/getrusage.2.html
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit - bytes_before
    print(json.dumps({"seconds": seconds, "peak": peak, **(measurements or {})}))


def _arrow(file):
    """Return a function that reads the table with Arrow."""
    from pyarrow import csv as arrow_csv

    return lambda: {"bytes": arrow_csv.read_csv(file).nbytes}


def _preprocess(file):
    """Return a function that preprocesses the table."""
    from lib import backends
    from lib.parameters import Parameters, check_given, load
    from lib.pipelines.base import BasePipeline
    from lib.stages import preprocess

    given = {"data": str(file), "target_column": _TARGET, "task": "binary", "primary_metric": "roc_auc"}
    values = {**load([]).values, **given, "name": "scale", "workspace": str(file.parent / "workspace")}
    parameters = Parameters(check_given(values))
    backend = backends.connect(parameters)

    def work():
        result = preprocess.run(BasePipeline(parameters, backend), backend, parameters)
        (file.parent / "train.txt").write_text(result.train_data)

    return work


def _pandas(file):
    """Return a function that preprocesses the table in plain pandas."""
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import train_test_split

    def work():
        frame = pd.read_csv(file)
        frame = frame[frame[_TARGET].notna()].reset_index(drop=True)
        numbers = frame.select_dtypes("floating").columns
        frame[numbers] = frame[numbers].replace([np.inf, -np.inf], np.nan)
        train, test = train_test_split(frame, test_size=0.2, random_state=42)
        train.reset_index(drop=True).to_parquet(file.parent / "train.parquet")
        test.reset_index(drop=True).to_parquet(file.parent / "test.parquet")

    return work


def _train(file):
    """Return a function that trains on the preprocessed rows."""
    from lib import metrics, training
    from lib.tables import sources
    from lib.training import TrainingRequest

    function = training.get("gradient_boosting")

    def work():
        train = sources.read((file.parent / "train.txt").read_text())
        y = train.pop(_TARGET)
        function(train, y, TrainingRequest("binary", metrics.get("roc_auc", "binary"), 42, 2))

    return work


TASKS = {"arrow": _arrow, "preprocess": _preprocess, "pandas": _pandas, "train": _train}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        run_task(sys.argv[2], *map(Path, sys.argv[3:]))
    elif sys.argv[1:2] == ["--make"]:
        make_table(Path(sys.argv[3]), int(sys.argv[2]))
    else:
        main([int(rows) for rows in sys.argv[1:]] or ROWS)
