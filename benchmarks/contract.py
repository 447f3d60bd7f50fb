"""Judgement of the data contract: refused tables of the same population, and shifted tables that are found.

A contract is made from one sample of a random population and checked against another sample of it.
"""

import argparse

import numpy as np
import pandas as pd

from lib.tables.quality import contract, profile, violations

MIN_ROWS, MAX_ROWS, MIN_COLUMNS, MAX_COLUMNS, MAX_LEVELS = 50, 10_000, 3, 20, 200
SHIFTED_ROWS = 500

NUMBERS = {
    "normal": lambda random, rows, scale: random.normal(10 * scale, 3, rows),
    "uniform": lambda random, rows, scale: random.uniform(18, 90, rows),
    "exponential": lambda random, rows, scale: random.exponential(scale, rows),
    "log-normal": lambda random, rows, scale: random.lognormal(8, scale, rows),
    "gamma": lambda random, rows, scale: random.gamma(0.3 + scale, 10, rows),
    "Student's t": lambda random, rows, scale: random.standard_t(3, rows) * scale,
    "count": lambda random, rows, scale: random.poisson(3 * scale, rows),
    "mostly zero": lambda random, rows, scale: np.where(random.random(rows) < 0.9, 0, random.lognormal(8, 1, rows)),
    "two peaks": lambda random, rows, scale: np.where(random.random(rows) < 0.4, 0, 5) + random.normal(0, 1, rows),
    "rating": lambda random, rows, scale: random.integers(1, 6, rows),
}


def make_population(random):
    """Return functions that draw the values of a column: numbers and categories of different shapes."""
    return [make_column(random) for _ in range(random.integers(MIN_COLUMNS, MAX_COLUMNS + 1))]


def make_column(random):
    """Return a function that draws values of one column, given a generator and the number of rows."""
    missing = random.choice([0, 0, 0, 0.002, 0.02, 0.2])
    if random.random() < 0.5:
        draw_numbers, scale = NUMBERS[random.choice(list(NUMBERS))], random.uniform(0.3, 1.5)
        decimals = random.integers(0, 4)
        return lambda random, rows: with_missing(random, np.round(draw_numbers(random, rows, scale), decimals), missing)
    levels = int(np.exp(random.uniform(np.log(2), np.log(MAX_LEVELS + 0.99))))
    weights = {
        "equal": np.ones(levels),
        "Zipf": 1 / np.arange(1, levels + 1),
        "random": random.dirichlet(np.ones(levels)),
    }[random.choice(["equal", "Zipf", "random"])]
    names = np.array([f"level {chr(97 + level // 15)}{chr(97 + level % 15)}" for level in range(levels)], dtype=object)
    shares = weights / weights.sum()
    return lambda random, rows: with_missing(random, random.choice(names, rows, p=shares), missing)


def with_missing(random, values, share):
    """Return values of which a share is missing."""
    return pd.Series(values).mask(random.random(len(values)) < share)


def draw(random, population, rows):
    """Return a table of a population."""
    return pd.DataFrame({f"x{index}": column(random, rows) for index, column in enumerate(population)})


def contract_of(table):
    """Return the contract that `init` writes for a table."""
    return contract.from_profile(profile.describe(table))


def count_false_alarms(tables, seed, same_size=True):
    """Return the number of refused fresh draws and the rules that refused them.

    Parameters
    ----------
    tables : int
        Number of populations, each with one contract and one fresh draw.
    seed : int
    same_size : bool
        Whether the fresh draw has as many rows as the table of the contract, else at least half as many.
    """
    refused, reasons = 0, []
    for number in range(tables):
        random = np.random.default_rng([seed, number])
        population = make_population(random)
        rows = random_rows(random, MIN_ROWS)
        next_rows = rows if same_size else random_rows(random, max(MIN_ROWS, rows // 2 + 1))
        agreed = contract_of(draw(random, population, rows))
        broken = violations.find(draw(random, population, next_rows), agreed).table
        refused += len(broken) > 0
        found = zip(broken["rule"], broken["examples"], strict=True)
        reasons += [f"{rows} -> {next_rows} rows: {rule} ({examples})" for rule, examples in found]
    return refused, reasons


def random_rows(random, smallest):
    """Return a number of rows between the smallest and the largest, uniform on a logarithmic scale."""
    return int(np.exp(random.uniform(np.log(smallest), np.log(MAX_ROWS))))


def count_detections(tables, seed, rows=SHIFTED_ROWS):
    """Return in how many tables a shift of half a standard deviation in one column is found."""
    detected = 0
    for number in range(tables):
        random = np.random.default_rng([seed, number])
        population = make_population(random)
        center, deviation = random.uniform(-50, 50), random.uniform(0.5, 20)
        table, shifted = draw(random, population, rows), draw(random, population, rows)
        table["shifted"] = random.normal(center, deviation, rows)
        shifted["shifted"] = random.normal(center + deviation / 2, deviation, rows)
        broken = violations.find(shifted, contract_of(table)).table
        detected += "shifted" in broken["column"].tolist()
    return detected


def main():
    """Print false alarms and detections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| fresh draws | tables | refused |\n| --- | --- | --- |")
    reasons = []
    for name, same_size in (("as many rows as the contract's table", True), ("half as many rows or more", False)):
        refused, why = count_false_alarms(options.tables, options.seed, same_size)
        reasons += why
        print(f"| {name} | {options.tables:,} | {refused} ({refused / options.tables:.1%}) |", flush=True)
    print("\n| rows | tables | shifts of half a standard deviation found |\n| --- | --- | --- |")
    for rows in (250, SHIFTED_ROWS):
        detected = count_detections(options.tables, options.seed, rows)
        print(f"| {rows:,} | {options.tables:,} | {detected} ({detected / options.tables:.1%}) |", flush=True)
    print("\nRefused because of:", *reasons, sep="\n- ")


if __name__ == "__main__":
    main()
