"""Rows against time and memory: read and preprocess, train, and the same steps in plain pandas, each in a process.

``python -m benchmarks.scale 10000 1000000`` names other sizes. Memory is the peak of a process above what it held when
it had done the same with some rows, all packages loaded, as a multiple of the table in Arrow. Times are medians, of
preprocess and of pandas of nine pairs taken in turns, of the training three; of large sizes single ones.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = (10_000, 100_000, 1_000_000)
_CHUNK = 250_000
_LARGE = 2_000_000
_PAIRS, _FITS = 9, 3
_FEW = 1_000
_MEGABYTE = 2**20
_TARGET = "bought"


def main(sizes):
    heads = (
        "rows, Arrow MB, preprocess s, peak x Arrow, plain pandas s, times faster, peak x Arrow, train s, peak x Arrow"
    )
    print(f"| {heads.replace(', ', ' | ')} |")
    print("| ---: " * 9 + "|")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file, few = Path(folder) / "table.csv", Path(folder) / "few" / "table.csv"
            few.parent.mkdir()
            # By another process: on Linux the peak of a process begins with what its parent holds.
            for one, count in ((file, rows), (few, _FEW)):
                subprocess.run([sys.executable, "-m", "benchmarks.scale", "--make", str(count), str(one)], check=True)
            arrow = measured("arrow", file)["bytes"]
            measured("preprocess", few)  # whose rows are trained on before others
            repeats, trainings = (1, 1) if rows > _LARGE else (_PAIRS, _FITS)
            # Taken in turns, so that what else the machine does meets both.
            pairs = [(measured("preprocess", file, few), measured("pandas", file, few)) for _ in range(repeats)]
            ours, plain = ([pair[side] for pair in pairs] for side in (0, 1))
            trained = [measured("train", file, few) for _ in range(trainings)]
        seconds, others, fits = (statistics.median(one["seconds"] for one in each) for each in (ours, plain, trained))
        faster = statistics.median(other["seconds"] / one["seconds"] for one, other in pairs)
        peaks = [max(one["peak"] for one in each) / arrow for each in (ours, plain, trained)]
        print(
            f"| {rows:,} | {arrow / _MEGABYTE:,.1f} | {seconds:.2f} | {peaks[0]:.2f} | {others:.2f} | {faster:.1f} | "
            f"{peaks[1]:.2f} | {fits:.2f} | {peaks[2]:.2f} |",
            flush=True,
        )


def make(file, rows):
    """Write a table of 20 mixed columns: numbers, whole numbers, categories, a code, a date, truths; some missing."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    random = np.random.default_rng(0)
    header = True
    with file.open("wb") as out:
        for start in range(0, rows, _CHUNK):
            count = min(_CHUNK, rows - start)
            columns = {f"amount_{place}": random.normal(100, 30, count).round(4) for place in range(8)}
            columns |= {f"count_{place}": random.poisson(5 * (place + 1), count) for place in range(4)}
            for place, levels in enumerate((3, 5, 12, 40)):
                columns[f"group_{place}"] = np.array([f"level {one}" for one in range(levels)])[
                    random.integers(0, levels, count)
                ]
            columns["shop"] = np.array([f"S{one:05d}" for one in range(2_000)])[random.integers(0, 2_000, count)]
            days = np.datetime64("2020-01-01") + random.integers(0, 1_500, count).astype("timedelta64[D]")
            columns["day"] = np.datetime_as_string(days)
            columns["member"] = random.integers(0, 2, count).astype(bool)
            worth = columns["amount_0"] / 30 + columns["count_0"] / 3 + columns["member"] + random.normal(0, 1, count)
            columns[_TARGET] = np.where(worth > 5.5, "yes", "no")
            frame = pd.DataFrame(columns)
            for name in ("amount_1", "amount_2", "group_1"):
                frame.loc[random.random(count) < 0.05, name] = None
            arrow_csv.write_csv(
                pa.Table.from_pandas(frame, preserve_index=False), out, arrow_csv.WriteOptions(include_header=header)
            )
            header = False


def measured(part, file, few=None):
    """What a process of its own says about one part, done with a few rows before."""
    command = [sys.executable, "-m", "benchmarks.scale", "--part", part, *map(str, filter(None, (file, few)))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{part} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def run_part(part, file, few=None):
    """Do one part and print its seconds and its peak."""
    import resource

    import psutil

    work = PARTS[part](file)
    if few:
        PARTS[part](few)()
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    told = work()
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) - before
    print(json.dumps({"seconds": seconds, "peak": peak, **(told or {})}))


def _arrow(file):
    from pyarrow import csv as arrow_csv

    return lambda: {"bytes": arrow_csv.read_csv(file).nbytes}


def _preprocess(file):
    from lib import backends
    from lib.parameters import Parameters, check_given, load
    from lib.pipelines.base import BasePipeline
    from lib.stages import preprocess

    given = {"data": str(file), "target_column": _TARGET, "task": "binary", "primary_metric": "roc_auc"}
    values = {**load([]).values, **given, "name": "scale", "workspace": str(file.parent / "workspace")}
    parameters = Parameters(check_given(values))
    backend = backends.connect(parameters)

    def work():
        done = preprocess.run(BasePipeline(parameters, backend), backend, parameters)
        (file.parent / "train.txt").write_text(done.train_data)

    return work


def _pandas(file):
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
    from lib import metrics, training
    from lib.data import sources
    from lib.training import TrainingRequest

    function = training.get("gradient_boosting")

    def work():
        train = sources.read((file.parent / "train.txt").read_text())
        y = train.pop(_TARGET)
        function(train, y, TrainingRequest("binary", metrics.get("roc_auc", "binary"), 42, 2))

    return work


PARTS = {"arrow": _arrow, "preprocess": _preprocess, "pandas": _pandas, "train": _train}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        run_part(sys.argv[2], *map(Path, sys.argv[3:]))
    elif sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[3]), int(sys.argv[2]))
    else:
        main([int(rows) for rows in sys.argv[1:]] or ROWS)
