"""AutoML: ours beside FLAML's and AutoGluon's own defaults, given the same time, and the best training function.

``MILLRACE_TABLES`` names a folder of tables with an index; ``MILLRACE_AUTOML_SECONDS`` what each may search;
``MILLRACE_AUTOML_LANES`` how many tables are worked on side by side, on a machine with cores to spare or none to lose;
``MILLRACE_AUTOML_ROTATIONS`` on how many splits a small table is judged: means are shown, and how far scores spread.
"""

import multiprocessing
import os
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks import _automl

forks = multiprocessing.get_context("forkserver")
IMPORTED = ("autogluon.tabular", "benchmarks._automl", "catboost", "flaml.automl", "lightgbm", "xgboost")
# The last five were not looked at while the engine was built.
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
FIGURES = {"spread": 3, "seconds": 0, "row_ms": 0, "megabytes": 1, "memory_megabytes": 0}
MOST_BELOW = 0.005
SEVERAL_TIMES = 5


def measured(who, table, rotation, seconds):
    """What a contender did in a process of its own, forked where all imports are done; None where it failed."""
    receiver, sender = forks.Pipe(duplex=False)
    process = forks.Process(target=_automl.run, args=(who, table, rotation, seconds, sender))
    process.start()
    sender.close()
    try:
        if receiver.poll(SEVERAL_TIMES * seconds + 60):
            return receiver.recv()
        print(f"{who} on {table} did not end", file=sys.stderr)
    except EOFError:
        print(f"{who} on {table} failed", file=sys.stderr)
    finally:
        process.kill()
        process.join()
    return None


def compared(table, seconds):
    """What each contender did on a table, and the score of each training function."""
    splits = [
        {who: measured(who, table, rotation, seconds) for who in (OURS, *RIVALS, "functions")}
        for rotation in range(_automl.rotations(table))
    ]
    found = {who: averaged([split[who] for split in splits]) for who in splits[0]}
    functions = found.pop("functions") or {"failed": float("-inf")}
    return found, functions


def averaged(splits):
    """Mean of each figure over the splits, and how far their scores spread; None where one of them failed."""
    if not all(splits):
        return None
    means = {key: statistics.mean(one[key] for one in splits) for key in splits[0]}
    if "score" in means:
        means["spread"] = statistics.pstdev(one["score"] for one in splits)
    return means


def shown(found, key="score", digits=4):
    return "failed" if found is None else f"{found[key]:.{digits}f}"


def main():
    if not os.environ.get("MILLRACE_TABLES"):
        print("MILLRACE_TABLES names no folder of tables.")
        return
    forks.set_forkserver_preload(IMPORTED)
    seconds = float(os.environ.get("MILLRACE_AUTOML_SECONDS", "60"))
    tables = os.environ.get("MILLRACE_AUTOML_TABLES", ",".join(TABLES)).split(",")
    contenders = (OURS, *RIVALS)
    print(f"| table | {' | '.join(contenders)} | spread | best function | seconds | row, ms | MB | memory, MB |")
    print("| --- " * 10 + "|")
    results, ranks = [], {who: [] for who in contenders}
    with ThreadPoolExecutor(int(os.environ.get("MILLRACE_AUTOML_LANES", "1"))) as lanes:
        done = lanes.map(lambda table: compared(table, seconds), tables)
        for table, (found, functions) in zip(tables, done, strict=True):
            name = max(functions, key=functions.get)
            results.append((found, functions[name]))
            scores = {who: one["score"] if one else float("-inf") for who, one in found.items()}
            for who, score in scores.items():
                ahead = sum(other > score for other in scores.values())
                ranks[who].append(1 + ahead + (sum(other == score for other in scores.values()) - 1) / 2)
            kept = [" / ".join(shown(found[who], key, digits) for who in contenders) for key, digits in FIGURES.items()]
            cells = [*(shown(found[who]) for who in contenders), kept[0], f"{functions[name]:.4f} ({name})", *kept[1:]]
            print(f"| {table} | {' | '.join(cells)} |", flush=True)
    means = " | ".join(f"{statistics.mean(ranks[who]):.2f}" for who in contenders)
    print(f"| mean rank | {means} | | | | | | |\n")
    tell(results)


def tell(results):
    """How the goal stands."""
    below, ahead = [], 0
    for found, best in results:
        rivals = [found[who]["score"] for who in RIVALS if found[who]]
        ours = found[OURS]["score"] if found[OURS] else float("-inf")
        below.append((max(rivals) - ours) / abs(max(rivals)) if rivals else 0.0)
        ahead += ours > best
    print(
        f"Tables on which {OURS} is more than {MOST_BELOW:.1%} below the better rival: "
        f"{sum(one > MOST_BELOW for one in below)} of {len(results)}, at most {max(below):.2%}. "
        f"Ahead of the best training function: {ahead} of {len(results)}."
    )


if __name__ == "__main__":
    main()
