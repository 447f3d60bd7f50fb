"""AutoML: Millrace's default engine, FLAML and AutoGluon with the same time, and the best training function.

Environment variables:

MILLRACE_TABLES
    Folder of tables with an index.
MILLRACE_AUTOML_TABLES
    Names of the tables to use, separated by commas.
MILLRACE_AUTOML_SECONDS
    Time limit of each search.
MILLRACE_AUTOML_LANES
    Number of tables to work on at the same time; more than one only on a machine with spare cores.
MILLRACE_AUTOML_ROTATIONS
    Number of splits of a small table; the results are means, with the standard deviation of the score.
"""

import multiprocessing
import os
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks import _automl

forkserver = multiprocessing.get_context("forkserver")
PRELOADED = ("autogluon.tabular", "benchmarks._automl", "catboost", "flaml.automl", "lightgbm", "xgboost")
# The last five were not used while the engine was developed.
TABLES = (
    "titanic",
    "california_housing",
    "german_credit",
    "phoneme",
    "car_evaluation",
    "abalone",
    "wine_quality_red",
    "kc_house",
    "bank_additional_full",
    "letter",
)
OURS, RIVALS = "portfolio", ("FLAML", "AutoGluon")
DECIMALS = {"spread": 3, "seconds": 0, "row_ms": 0, "megabytes": 1, "memory_megabytes": 0}
MAX_SHORTFALL = 0.005
# A contender that exceeds its time limit by this factor is stopped.
MAX_OVERTIME_FACTOR = 5


def measure(contender, table, rotation, seconds):
    """Measure a contender in a process of its own, forked after all imports; None if it failed."""
    receiver, sender = forkserver.Pipe(duplex=False)
    process = forkserver.Process(target=_automl.run, args=(contender, table, rotation, seconds, sender))
    process.start()
    sender.close()
    try:
        if receiver.poll(MAX_OVERTIME_FACTOR * seconds + 60):
            return receiver.recv()
        print(f"{contender} on {table} did not end", file=sys.stderr)
    except EOFError:
        print(f"{contender} on {table} failed", file=sys.stderr)
    finally:
        process.kill()
        process.join()
    return None


def compare(table, seconds):
    """Return the measurements of each contender on a table, and the score of each training function."""
    splits = [
        {contender: measure(contender, table, rotation, seconds) for contender in (OURS, *RIVALS, "functions")}
        for rotation in range(_automl.count_rotations(table))
    ]
    results = {contender: average([split[contender] for split in splits]) for contender in splits[0]}
    function_scores = results.pop("functions") or {"failed": float("-inf")}
    return results, function_scores


def average(measurements):
    """Return the mean of each measurement, and the standard deviation of the score; None if any failed."""
    if not all(measurements):
        return None
    means = {key: statistics.mean(measurement[key] for measurement in measurements) for key in measurements[0]}
    if "score" in means:
        means["spread"] = statistics.pstdev(measurement["score"] for measurement in measurements)
    return means


def format_cell(result, key="score", decimals=4):
    return "failed" if result is None else f"{result[key]:.{decimals}f}"


def rank_contenders(scores):
    """Return each contender's rank, 1 for the best; equal scores share the mean of their ranks."""
    ranks = {}
    for contender, score in scores.items():
        better = sum(other > score for other in scores.values())
        equal = sum(other == score for other in scores.values())
        ranks[contender] = 1 + better + (equal - 1) / 2
    return ranks


def main():
    if not os.environ.get("MILLRACE_TABLES"):
        print("Set MILLRACE_TABLES to a folder of tables.")
        return
    forkserver.set_forkserver_preload(PRELOADED)
    seconds = float(os.environ.get("MILLRACE_AUTOML_SECONDS", "60"))
    tables = os.environ.get("MILLRACE_AUTOML_TABLES", ",".join(TABLES)).split(",")
    contenders = (OURS, *RIVALS)
    print(f"| table | {' | '.join(contenders)} | spread | best function | seconds | row, ms | MB | memory, MB |")
    print("| --- " * 10 + "|")
    comparisons, ranks = [], []
    with ThreadPoolExecutor(int(os.environ.get("MILLRACE_AUTOML_LANES", "1"))) as lanes:
        compared = lanes.map(lambda table: compare(table, seconds), tables)
        for table, (results, function_scores) in zip(tables, compared, strict=True):
            best_function = max(function_scores, key=function_scores.get)
            comparisons.append((results, function_scores[best_function]))
            scores = {name: result["score"] if result else float("-inf") for name, result in results.items()}
            ranks.append(rank_contenders(scores))
            spread, *costs = [
                " / ".join(format_cell(results[name], key, decimals) for name in contenders)
                for key, decimals in DECIMALS.items()
            ]
            function_cell = f"{function_scores[best_function]:.4f} ({best_function})"
            cells = [*(format_cell(results[name]) for name in contenders), spread, function_cell, *costs]
            print(f"| {table} | {' | '.join(cells)} |", flush=True)
    mean_ranks = (statistics.mean(table_ranks[name] for table_ranks in ranks) for name in contenders)
    print(f"| mean rank | {' | '.join(f'{rank:.2f}' for rank in mean_ranks)} | | | | | | |\n")
    print_summary(comparisons)


def print_summary(comparisons):
    """Print how often the engine is clearly behind the better rival, and ahead of the training functions."""
    shortfalls, ahead = [], 0
    for results, best_function_score in comparisons:
        rival_scores = [results[name]["score"] for name in RIVALS if results[name]]
        score = results[OURS]["score"] if results[OURS] else float("-inf")
        best_rival = max(rival_scores, default=score)
        shortfalls.append((best_rival - score) / abs(best_rival) if rival_scores else 0.0)
        ahead += score > best_function_score
    behind = sum(shortfall > MAX_SHORTFALL for shortfall in shortfalls)
    print(
        f"Tables on which {OURS} is more than {MAX_SHORTFALL:.1%} below the better rival: "
        f"{behind} of {len(comparisons)}, at most {max(shortfalls):.2%}. "
        f"Ahead of the best training function: {ahead} of {len(comparisons)}."
    )


if __name__ == "__main__":
    main()
