"""False alarms and detections of monitoring: many years of weekly windows, replayed with and without a drift.

``python -m benchmarks.monitoring 1000`` sets the number of years; ``--first 250`` begins with the 250th, so that parts
can run one after the other; ``--result FILE`` adds a line of JSON for each year; ``--summarize FILE`` prints the tables
of all lines. Year and kind of drift are the seed.

Each year has a table of its own: 3 to 60 columns of numbers, skewed numbers, few categories and many categories, some
with missing values, some of them copies of each other; 200 to 20,000 reference rows; and 50 to 50,000 rows a week. Each
week, the verdict is asked for. Evidently and NannyML judge the same counts, see `benchmarks._drift_rivals`.
"""

import argparse
import datetime
import json
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks._drift_rivals import chi_squared, evidently_alarms, nannyml_alarms
from lib.monitoring.cells import CATEGORY, NUMBER, Cells
from lib.monitoring.reference import PREDICTION, ColumnReference
from lib.monitoring.verdict import judge
from lib.monitoring.windows import Window

WEEKS = 52
ALARM_RATE = 0.01
NO_DRIFT = "no drift"
FIRST = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
_WEEK = datetime.timedelta(days=7)
# What happens to the first column from week 26 on: a shift in standard deviations, or a share of values that get lost.
DRIFTS = {
    NO_DRIFT: {},
    "half a standard deviation": {"shift": 0.5},
    "a quarter of a standard deviation": {"shift": 0.25},
    "a tenth of a standard deviation": {"shift": 0.1},
    "5 % of the values missing": {"lost": 0.05},
}
JUDGES = ("Millrace: act", "Millrace: look or act", "Evidently: any column", "Evidently: half of the columns")
JUDGES += ("NannyML: any column", "chi-squared p < .05: any column")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("years", type=int, nargs="?", default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--result", type=Path, default=Path("monitoring-replays.jsonl"))
    parser.add_argument("--summarize", type=Path)
    options = parser.parse_args()
    if not options.summarize:
        for year in range(options.first, options.first + options.years):
            # Detections differ less from year to year than false alarms do, so a tenth of the years is enough.
            for drift in DRIFTS if year % 10 == 0 else [NO_DRIFT]:
                with options.result.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"drift": drift, "year": year, **replay(year, drift)}) + "\n")
    summarize((options.summarize or options.result).read_text(encoding="utf-8").splitlines())


def summarize(lines):
    """Print how often each judge alarmed without a drift, and how soon it alarmed with one."""
    years = {(entry["drift"], entry["year"]): entry for entry in map(json.loads, lines)}
    steady = [entry["alarms"] for (drift, _), entry in years.items() if drift == NO_DRIFT]
    print(f"| {len(steady)} years of weekly looks without drift | alarms a year, mean | years with any alarm |")
    print("| --- | --- | --- |")
    for judge_name in JUDGES:
        counts = np.array([len(alarms[judge_name]) for alarms in steady])
        print(f"| {judge_name} | {counts.mean():.3f} | {(counts > 0).mean():.1%} |")
    print("\n| drift of one column from week 26 on | judge | years | before it | 1 week | 2 weeks | 4 | 8 | 26 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for drift in list(DRIFTS)[1:]:
        entries = [entry["alarms"] for (name, _), entry in years.items() if name == drift]
        for judge_name in JUDGES if entries else ():
            before = np.mean([any(week < WEEKS // 2 for week in alarms[judge_name]) for alarms in entries])
            delays = [
                min([week for week in alarms[judge_name] if week >= WEEKS // 2], default=99) for alarms in entries
            ]
            shares = [np.mean([delay < WEEKS // 2 + weeks for delay in delays]) for weeks in (1, 2, 4, 8, 26)]
            print(f"| {drift} | {judge_name} | {len(entries)} | {' | '.join(f'{x:.0%}' for x in (before, *shares))} |")


def replay(year, drift):
    """Replay a year, and return the weeks, from 0, in which each judge alarmed."""
    random = np.random.default_rng([year, list(DRIFTS).index(drift)])
    columns = int(np.exp(random.uniform(np.log(3), np.log(60))))
    reference_rows = int(np.exp(random.uniform(np.log(200), np.log(20_000))))
    # With a drift, few rows are the harder case.
    window_rows = int(np.exp(random.uniform(np.log(50), np.log(50_000 if drift == NO_DRIFT else 5_000))))
    references, windows = {}, [{} for _ in range(WEEKS)]
    rivals = {name: np.zeros((columns, WEEKS), dtype=bool) for name in ("Evidently", "NannyML", "chi-squared")}
    counts, drawn, cells = None, None, None
    for number in range(columns):
        if number == 0 or random.random() > 0.1:  # else the column is a copy of the one before it
            cells, probabilities = make_column(random, is_number=number == 0 and drift != NO_DRIFT)
            counts = random.multinomial(reference_rows, probabilities)
            moved = move(probabilities, **DRIFTS[drift]) if number == 0 else probabilities
            drawn = random.multinomial(window_rows, [probabilities] * (WEEKS // 2) + [moved] * (WEEKS // 2))
        name = PREDICTION if number == columns - 1 else f"column {number}"
        references[name] = ColumnReference(cells, tuple(counts.tolist()), effect=1.0)
        for week in range(WEEKS):
            windows[week][name] = tuple(drawn[week].tolist())
        rivals["Evidently"][number] = evidently_alarms(cells.kind == NUMBER, counts, drawn)
        rivals["NannyML"][number] = nannyml_alarms(counts, drawn)
        rivals["chi-squared"][number] = chi_squared(counts, drawn) < 0.05
    weeks = [
        Window(FIRST + number * _WEEK, FIRST + (number + 1) * _WEEK, window_rows, by_name)
        for number, by_name in enumerate(windows)
    ]
    judgement = judge(references, weeks, ALARM_RATE, seed=f"{year} {drift}")
    alarms = {
        "Millrace: act": np.maximum.accumulate(judgement.log_evidence >= judgement.threshold),
        # "look" is decided by the highest evidence so far, too. All columns count as used here.
        "Millrace: look or act": np.maximum.accumulate(judgement.log_evidence >= judgement.threshold - np.log(5)),
        "Evidently: any column": rivals["Evidently"].any(axis=0),
        "Evidently: half of the columns": rivals["Evidently"].mean(axis=0) >= 0.5,
        "NannyML: any column": rivals["NannyML"].any(axis=0),
        "chi-squared p < .05: any column": rivals["chi-squared"].any(axis=0),
    }
    return {
        "columns": columns,
        "reference_rows": reference_rows,
        "window_rows": window_rows,
        "alarms": {name: np.flatnonzero(is_alarm).tolist() for name, is_alarm in alarms.items()},
    }


def make_column(random, is_number=False):
    """Return cells, and the probability of each of them."""
    missing = random.choice([0.0, 0.0, 0.02, 0.3])
    if is_number or random.random() < 0.5:
        cells = Cells(NUMBER, edges=tuple(np.linspace(-2.3, 2.3, 7)))
        shares = np.array([0.01, 0.04, 0.2, 0.25, 0.25, 0.2, 0.04, 0.01])
        if not is_number:
            shares = random.dirichlet(20 * shares)
    else:
        levels = int(random.choice([2, 3, 5, 20]))
        cells = Cells(CATEGORY, categories=tuple(f"level {level}" for level in range(levels)))
        shares = random.dirichlet(np.full(levels + 1, 0.7))
    return cells, np.concatenate([[missing], (1 - missing) * shares])


def move(probabilities, shift=0.0, lost=0.0):
    """Return the probabilities of the cells of a normal column whose mean has moved, or of which values are lost."""
    missing, shares = probabilities[0], probabilities[1:]
    edges = stats.norm.ppf(np.clip(np.cumsum(shares / shares.sum()), 0, 1 - 1e-12))
    moved = np.diff(stats.norm.cdf(edges - shift), prepend=0)
    moved[-1] = 1 - moved[:-1].sum()
    missing += (1 - missing) * lost
    return np.concatenate([[missing], (1 - missing) * moved])


if __name__ == "__main__":
    main()
