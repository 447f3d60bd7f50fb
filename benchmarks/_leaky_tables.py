"""Generated tables with planted leaks, and honest tables, for `benchmarks.leakage`."""

import numpy as np
import pandas as pd

TARGET = "y"
_TASKS = ("binary", "multiclass", "regression")


def background(rows, task, random, noise=1.0, columns=8):
    """Return an honest table: numbers, categories and missing values, of which some predict the target."""
    numbers = random.normal(size=(rows, columns))
    frame = pd.DataFrame(numbers.round(4), columns=[f"x{place}" for place in range(columns)])
    frame["skewed"] = random.lognormal(3, 1, rows).round(2)
    frame["count"] = random.poisson(4, rows)
    frame["region"] = random.choice(["north", "south", "east", "west"], rows)
    frame["grade"] = random.choice(list("ABCDEFGH"), rows)
    frame.loc[random.random(rows) < 0.1, "x1"] = np.nan
    signal = numbers[:, 0] + 0.5 * numbers[:, 2] + 0.3 * (frame["region"] == "north") + 0.2 * (frame["count"] - 4)
    signal = (signal + noise * random.normal(size=rows)).to_numpy()
    if task == "regression":
        frame[TARGET] = np.exp(4 + 0.5 * signal).round(2)
    elif task == "binary":
        frame[TARGET] = np.where(signal > np.quantile(signal, 0.6), "yes", "no")
    else:
        frame[TARGET] = np.array(list("abcd"))[np.digitize(signal, np.quantile(signal, [0.3, 0.6, 0.85]))]
    return frame


def _flip(values, share, random):
    """Return values of which a share is drawn anew from all of them."""
    return np.where(random.random(len(values)) < share, random.permutation(values), values)


def recoded_copy(frame, random):
    codes = pd.factorize(frame[TARGET], sort=True)[0]
    return frame.assign(status=np.array(["S1", "S2", "S3", "S4"])[codes]), [["status"]]


def noisy_label(frame, random):
    return frame.assign(outcome=_flip(frame[TARGET].to_numpy(), 0.03, random)), [["outcome"]]


def two_noisy_labels(frame, random):
    labels = frame[TARGET].to_numpy()
    return frame.assign(decision=_flip(labels, 0.06, random), letter_sent=_flip(labels, 0.08, random)), [
        ["decision", "letter_sent"]
    ]


def missing_pattern(frame, random):
    is_first = (frame[TARGET] == frame[TARGET].iloc[0]).to_numpy()
    return frame.assign(closed_after=np.where(is_first, np.nan, random.gamma(2, 10, len(frame)).round(1))), [
        ["closed_after"]
    ]


def missing_patterns(frame, random):
    """Plant the columns of an event that happened, almost only, to one class."""
    happened = _flip((frame[TARGET] != frame[TARGET].iloc[0]).to_numpy(), 0.05, random)
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(random.integers(0, 600, len(frame)), "D")
    return frame.assign(
        event_date=np.where(happened, days.strftime("%Y-%m-%d"), None),
        event_code=np.where(happened, random.choice(["F1", "M1", "M2"], len(frame)), None),
        event_flag=_flip(happened.astype(int), 0.02, random),
    ), [["event_date", "event_code", "event_flag"]]


def one_hot_copies(frame, random):
    dummies = pd.get_dummies(frame[TARGET], prefix="is").astype(int)
    return pd.concat([frame, dummies], axis=1), [list(dummies.columns)]


def numeric_score(frame, random):
    """Plant the score from which the classes were made, rounded."""
    codes = pd.factorize(frame[TARGET], sort=True)[0]
    return frame.assign(score=(codes + random.random(len(frame)) * 0.99).round(1)), [["score"]]


def two_noisy_scores(frame, random):
    codes = pd.factorize(frame[TARGET], sort=True)[0]
    return frame.assign(
        review_1=(codes + random.normal(0, 0.28, len(frame))).round(2),
        review_2=(codes + random.normal(0, 0.28, len(frame))).round(2),
    ), [["review_1", "review_2"]]


def sum_of_two(frame, random):
    share = random.beta(2, 4, len(frame))
    part = (frame[TARGET] * share).round(2)
    return frame.assign(online=part, in_shop=(frame[TARGET] - part).round(2)), [["online", "in_shop"]]


def rounded_sum_of_five(frame, random):
    shares = random.dirichlet(np.ones(5), len(frame))
    parts = {f"part_{place}": (frame[TARGET] * shares[:, place]).round(1) for place in range(5)}
    return frame.assign(**parts), [list(parts)]


def weighted_sum(frame, random):
    cost = (frame[TARGET] * random.uniform(0.1, 0.4, len(frame))).round(2)
    return frame.assign(cost=cost, net=((frame[TARGET] - cost) / 1.19).round(2)), [["cost", "net"]]


def product(frame, random):
    quantity = random.integers(1, 20, len(frame))
    return frame.assign(quantity=quantity, unit_price=(frame[TARGET] / quantity).round(4)), [["quantity", "unit_price"]]


def quotient(frame, random):
    hours = random.uniform(10, 200, len(frame)).round(1)
    return frame.assign(hours=hours, total=(frame[TARGET] * hours).round(2)), [["hours", "total"]]


def binned_copy(frame, random):
    edges = np.quantile(frame[TARGET], np.linspace(0, 1, 26)[1:-1])
    return frame.assign(band=[f"band {bin:02}" for bin in np.digitize(frame[TARGET], edges)]), [["band"]]


def taxed_copy(frame, random):
    return frame.assign(gross=(frame[TARGET] * 1.19).round(0)), [["gross"]]


def log_copy(frame, random):
    return frame.assign(level=np.log(frame[TARGET]).round(2)), [["level"]]


def noisy_amount(frame, random):
    return frame.assign(estimate=(frame[TARGET] * random.normal(1, 0.03, len(frame))).round(0)), [["estimate"]]


def two_noisy_amounts(frame, random):
    y = frame[TARGET]
    return frame.assign(
        offer=(y * random.normal(1, 0.1, len(frame))).round(0),
        invoice=(y * random.normal(1, 0.08, len(frame))).round(0),
    ), [["offer", "invoice"]]


def missing_where_zero(frame, random):
    is_zero = random.random(len(frame)) < 0.4
    frame = frame.assign(**{TARGET: np.where(is_zero, 0, frame[TARGET])})
    return frame.assign(
        claim_code=np.where(is_zero, None, random.choice(["C1", "C2", "C3"], len(frame))),
        paid_by=np.where(is_zero, None, random.choice(["bank", "card"], len(frame))),
    ), [["claim_code", "paid_by"]]


_OF_CLASSES = (
    recoded_copy,
    noisy_label,
    two_noisy_labels,
    missing_pattern,
    missing_patterns,
    one_hot_copies,
    numeric_score,
    two_noisy_scores,
)
_OF_AMOUNTS = (
    sum_of_two,
    rounded_sum_of_five,
    weighted_sum,
    product,
    quotient,
    binned_copy,
    taxed_copy,
    log_copy,
    noisy_amount,
    two_noisy_amounts,
    missing_where_zero,
)


def planted_tables(sizes, seeds):
    """Yield (name, table, task, leaks) for each kind of leak, task, size and seed."""
    for task in _TASKS:
        for plant in _OF_AMOUNTS if task == "regression" else _OF_CLASSES:
            if task == "multiclass" and plant is missing_pattern:
                continue  # gives away one class of four, which is one of the patterns below
            for rows in sizes:
                for seed in seeds:
                    random = np.random.default_rng([seed, rows])
                    table, leaks = plant(background(rows, task, random), random)
                    yield f"{plant.__name__} {task} {rows} {seed}", table, task, leaks


def honest_tables(sizes, seeds):
    """Yield (name, table, task, no leaks): the best column is strong, and the table may be wide."""
    for task in _TASKS:
        for rows in sizes:
            for noise in (0.1, 0.5, 2.0):
                for columns in (8, 300):
                    for seed in seeds:
                        random = np.random.default_rng([seed, rows, columns, int(10 * noise)])
                        table = background(rows, task, random, noise, columns)
                        yield f"honest {task} {rows} x {columns} noise {noise} {seed}", table, task, []
