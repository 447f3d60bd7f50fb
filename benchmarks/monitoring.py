"""False alarms and detections of monitoring: many years of weekly windows, replayed with and without a drift.

``python -m benchmarks.monitoring 1000`` sets the number of years. Each year has a table of its own: 3 to 60 columns of
numbers, skewed numbers, few categories and many categories, some with missing values; 200 to 20,000 reference rows; and
50 to 50,000 rows a week. Each week, the verdict is asked for. For comparison, each column is tested against the
reference with a chi-squared test at p < .05, without a correction for the number of columns and weeks.
"""

import datetime
import sys

import numpy as np
from scipy import stats

from lib.monitoring.cells import CATEGORY, NUMBER, Cells
from lib.monitoring.reference import PREDICTION, ColumnReference
from lib.monitoring.verdict import LOOK, judge
from lib.monitoring.windows import Window

WEEKS = 52
FIRST = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
_WEEK = datetime.timedelta(days=7)


def main(years):
    random = np.random.default_rng(0)
    print("| weekly looks | years | false act, mean a year | years with any act | with any look | any column p < .05 |")
    print("| --- | --- | --- | --- | --- | --- |")
    summarize("no drift", [replay(random) for _ in range(years)])
    print()
    print("| drift from week 26 on | years | act within 1 week | 2 weeks | 4 weeks | 8 weeks | never |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, shift in {"half a standard deviation": 0.5, "a quarter": 0.25, "a tenth": 0.1}.items():
        delays = [replay(random, shift)["delay"] for _ in range(max(20, years // 10))]
        shares = [np.mean([delay is not None and delay <= weeks for delay in delays]) for weeks in (1, 2, 4, 8)]
        never = np.mean([delay is None for delay in delays])
        print(f"| {name} in one of the columns | {len(delays)} | {' | '.join(f'{x:.0%}' for x in (*shares, never))} |")


def summarize(name, years):
    acts = np.array([year["acts"] for year in years])
    looks = np.array([year["looks"] for year in years])
    rival = np.array([year["rival"] for year in years])
    print(
        f"| {name} | {len(years)} | {acts.mean():.3f} | {(acts > 0).mean():.1%} | {(acts + looks > 0).mean():.1%} | "
        f"{(rival > 0).mean():.1%} of the years, {rival.mean():.1f} of 52 weeks |",
        flush=True,
    )


def replay(random, shift=0.0):
    """Replay a year. A shift, in standard deviations, moves the first column from week 26 on."""
    columns = int(np.exp(random.uniform(np.log(3), np.log(60))))
    reference_rows = int(np.exp(random.uniform(np.log(200), np.log(20_000))))
    window_rows = int(np.exp(random.uniform(np.log(50), np.log(50_000 if not shift else 5_000))))
    shares = [make_column(random, is_number=bool(shift) and number == 0) for number in range(columns)]
    references, windows = {}, [{} for _ in range(WEEKS)]
    rival_alarms = np.zeros(WEEKS, dtype=int)
    for number, (cells, probabilities) in enumerate(shares):
        name = PREDICTION if number == columns - 1 else f"column {number}"
        counts = random.multinomial(reference_rows, probabilities)
        references[name] = ColumnReference(cells, tuple(counts.tolist()), effect=1.0)
        for week in range(WEEKS):
            moved = move(probabilities, shift) if shift and number == 0 and week >= WEEKS // 2 else probabilities
            drawn = random.multinomial(window_rows, moved)
            windows[week][name] = tuple(drawn.tolist())
            rival_alarms[week] += rejects(counts, drawn)
    weeks = [
        Window(FIRST + number * _WEEK, FIRST + (number + 1) * _WEEK, window_rows, counts)
        for number, counts in enumerate(windows)
    ]
    judgement = judge(references, weeks, alarm_rate=0.01, seed=str(random.random()))
    acts = np.maximum.accumulate(judgement.log_evidence >= judgement.threshold)
    first = int(np.argmax(acts)) if acts.any() else None
    return {
        "acts": int(acts.sum()),
        "looks": int(judgement.verdict == LOOK),
        "rival": int((rival_alarms > 0).sum()),
        "delay": None if first is None or first < WEEKS // 2 else first - WEEKS // 2 + 1,
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


def move(probabilities, shift):
    """Return the probabilities of the cells of a normal column whose mean has moved by some standard deviations."""
    missing, shares = probabilities[0], probabilities[1:]
    edges = stats.norm.ppf(np.clip(np.cumsum(shares / shares.sum()), 0, 1 - 1e-12))
    moved = np.diff(stats.norm.cdf(edges - shift), prepend=0)
    moved[-1] = 1 - moved[:-1].sum()
    return np.concatenate([[missing], (1 - missing) * moved])


def rejects(counts, drawn):
    """Return whether a chi-squared test of two samples rejects at p < .05."""
    table = np.array([counts, drawn])
    table = table[:, table.sum(axis=0) > 0]
    return table.shape[1] > 1 and stats.chi2_contingency(table).pvalue < 0.05


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
