"""Repeated entities, such as patients with several rows each, recognized by the values of a column.

If rows of one entity are on both sides of a split, a model can recognize the entity instead of learning, and the test
score is too good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.schema.date_columns import infer_date_format
from lib.tables.quality.counters import may_count
from lib.tables.split.row_hash import row_hash

# At least so many values must occur in several distinct rows, and these rows must be a tenth of the table.
_MIN_REPEATED_VALUES = 20
_MIN_REPEATED_SHARE = 0.1
# So many values must have another target than the most frequent one, or else chance can look like agreement.
_MIN_OTHER_VALUES = 5
_MIN_AGREEMENT = 0.95
_MAX_NEIGHBOR_AGREEMENT = 0.8
# The features of an entity: equal values are nearer to each other than neighbouring ones, which differ like any two.
_MAX_SPREAD_RATIO = 0.6
_MIN_NEIGHBOR_SPREAD = 0.5
_MIN_SHARE_OF_FEATURES = 0.25
_MAX_ROWS = 50_000
_SAMPLED_VALUES = 2_000
# The time for pairs grows with the square of the columns.
_MAX_PAIRED_COLUMNS = 200
_MAX_PAIRED_GROUPS = 1_000
_MAX_CELLS = 5_000_000


def find_entity_key(frame: pd.DataFrame, target_column: str, candidates: Sequence[str] | None = None) -> list[str]:
    """Return the first column, or else the pair of columns, that identifies repeated entities; or an empty list.

    A column identifies entities if its repeated values each have one target value. The statistic is Fleiss' kappa,
    the agreement among the rows of a value, weighted by rows and corrected for chance: 1 if each value has one target
    value, and 0 if the targets do not depend on the value (Fleiss: Measuring nominal scale agreement among many raters,
    Psychological Bulletin 76, 1971). It must be at least 0.95, so that a few wrong labels are allowed, for at least 20
    repeated values with a tenth of the rows. Copies of a row count once, because they agree in every column.

    Equal values of a feature that predicts the target have one target value, too. But in contrast to an ID, the next
    larger value mostly has the same one. Numbers are therefore an ID only if the agreement of neighbouring values is
    below 0.8, or if rows with equal values have similar features and rows with neighbouring values do not.

    A pair is examined if one column counts from 0 or 1 again in each value of the other, as patients may be numbered
    in each hospital.

    Parameters
    ----------
    frame : DataFrame
        Of a table with more than 50,000 rows, the first are examined, or the rows of 2,000 values of a column.
    target_column : str
    candidates : sequence of str, optional
        The columns to examine; by default all columns of whole numbers or text but the target. Dates and other numbers
        are never IDs.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> sick = random.integers(0, 2, 50)
    >>> visits = pd.DataFrame({"patient": np.repeat(np.arange(50), 4), "pulse": random.normal(size=200)})
    >>> find_entity_key(visits.assign(sick=np.repeat(sick, 4)), "sick")
    ['patient']
    """
    names = frame.columns if candidates is None else candidates
    names = [name for name in names if name != target_column and _may_be_id(frame[name])]
    first_rows = frame if len(frame) <= _MAX_ROWS else frame.head(_MAX_ROWS)
    targets = pd.factorize(first_rows[target_column])[0]
    codes = {}
    for name in names:
        rows = _select_rows(frame, first_rows, name)
        values = pd.factorize(rows[name])[0]
        row_targets = targets if rows is first_rows else pd.factorize(rows[target_column])[0]
        # Most columns fail this test, which is quick. Copies of a row can only raise the agreement.
        if count_agreement(values, row_targets) >= _MIN_AGREEMENT and _identifies_entities(rows, name, target_column):
            return [name]
        if len(names) <= _MAX_PAIRED_COLUMNS:
            codes[name] = values if rows is first_rows else pd.factorize(first_rows[name])[0]
    return _find_entity_pair(first_rows, codes, targets)


def count_agreement(values: np.ndarray, targets: np.ndarray) -> float:
    """Return Fleiss' kappa of the targets of rows with equal values; 0 if too few values are repeated.

    Parameters
    ----------
    values, targets : ndarray of int, of shape (rows,)
        Codes of the values, and of the targets of the rows; negative codes are missing values.
    """
    values, targets = values[values >= 0], targets[values >= 0]
    counts = np.bincount(values) if len(values) else np.zeros(0, dtype=int)
    is_repeated = counts[values] > 1
    if np.count_nonzero(counts > 1) < _MIN_REPEATED_VALUES or is_repeated.mean() < _MIN_REPEATED_SHARE:
        return 0.0
    kappa, others = _fleiss_kappa(values[is_repeated], targets[is_repeated])
    return 0.0 if others < _MIN_OTHER_VALUES else kappa


def _fleiss_kappa(values: np.ndarray, targets: np.ndarray) -> tuple[float, int]:
    """Return Fleiss' kappa of the targets of rows with equal values, and the number of values with a rarer target.

    Parameters
    ----------
    values, targets : ndarray of int, of shape (rows,)
        Codes of the values, each of which occurs in several rows, and of the targets. Negative codes of targets are
        missing values.
    """
    counts, targets = np.bincount(values), targets.astype(np.int64) + 1
    target_counts = np.bincount(targets)
    cells, rows = np.unique(values * np.int64(len(target_counts)) + targets, return_counts=True)
    cell_values, cell_targets = np.divmod(cells, len(target_counts))
    # The chance that another row with the same value, or any other row, has the target of a row.
    observed = float((rows * (rows - 1) / (counts[cell_values] - 1)).sum() / len(values))
    expected = float((target_counts / len(values)) @ (target_counts / len(values)))
    others = len(np.unique(cell_values[cell_targets != target_counts.argmax()]))
    return (1.0 if expected == 1 else (observed - expected) / (1 - expected)), others


def _determines_target(values: np.ndarray, targets: np.ndarray) -> bool:
    """Return whether rows with equal values mostly have equal targets, however few values there are."""
    counts = np.bincount(values[values >= 0])
    is_repeated = (values >= 0) & (counts[values] > 1)
    return bool(is_repeated.any()) and _fleiss_kappa(values[is_repeated], targets[is_repeated])[0] >= _MIN_AGREEMENT


def _find_entity_pair(frame: pd.DataFrame, codes: Mapping[str, np.ndarray], targets: np.ndarray) -> list[str]:
    """Return two columns that together identify entities, of which one counts again in each value of the other.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    codes : mapping of str to ndarray of int, of shape (rows,)
        Codes of the values of each column that may be part of a pair.
    targets : ndarray of int, of shape (rows,)
        Codes of the targets.
    """
    # With a column that gives away the target, every pair agrees.
    names = [name for name in codes if not _determines_target(codes[name], targets)]
    groups = [name for name in names if codes[name].min(initial=0) == 0 and codes[name].max() < _MAX_PAIRED_GROUPS]
    for name in filter(lambda name: may_count(frame[name]), names):
        numbers = frame[name].to_numpy(dtype=np.int64) - int(frame[name].min())
        for group in groups:
            pairs = codes[group] * (numbers.max() + 1) + numbers
            if group == name or not _starts_in_each_group(pairs, int(codes[group].max()) + 1, int(numbers.max()) + 1):
                continue
            if count_agreement(pairs, targets) < _MIN_AGREEMENT:  # quicker than finding copies of rows
                continue
            is_copy = _find_copies(frame)
            if count_agreement(pairs[~is_copy], targets[~is_copy]) >= _MIN_AGREEMENT:
                return sorted([group, name], key=names.index)
    return []


def _starts_in_each_group(pairs: np.ndarray, groups: int, numbers: int) -> bool:
    """Return whether each group has the numbers from 0 on without a gap.

    Parameters
    ----------
    pairs : ndarray of int, of shape (rows,)
        ``group * numbers + number`` of each row.
    groups, numbers : int
    """
    if groups < 2 or groups * numbers > _MAX_CELLS:
        return False
    occurs = np.zeros(groups * numbers, dtype=bool)
    occurs[pairs] = True
    table = occurs.reshape(groups, numbers)
    return bool(table[:, 0].all() and not (table[:, 1:] & ~table[:, :-1]).any())


def _may_be_id(values: pd.Series) -> bool:
    """Return whether a column is text or whole numbers; judged by the first rows."""
    dtype = values.dtype
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype):
        return False
    if pd.api.types.is_integer_dtype(dtype):
        return True
    if pd.api.types.is_numeric_dtype(dtype):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        numbers = numbers[np.isfinite(numbers)][:_MAX_ROWS]
        return len(numbers) > 0 and bool((numbers == np.floor(numbers)).all())
    return isinstance(dtype, pd.CategoricalDtype | pd.StringDtype) or (
        pd.api.types.infer_dtype(values.head(_SAMPLED_VALUES), skipna=True) in ("string", "integer", "mixed-integer")
    )


def _select_rows(frame: pd.DataFrame, first_rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the first rows; of a large table of nearly distinct values, all rows of some values."""
    if len(frame) <= _MAX_ROWS or first_rows[name].nunique() < (1 - _MIN_REPEATED_SHARE) * _MAX_ROWS:
        return first_rows
    places = np.random.default_rng(0).choice(len(frame), _SAMPLED_VALUES, replace=False)
    values = frame[name].iloc[np.sort(places)].dropna().unique()
    return frame[frame[name].isin(values)].head(_MAX_ROWS)


def _identifies_entities(frame: pd.DataFrame, name: str, target_column: str) -> bool:
    """Return whether the rows of a value have the same target even without copies of rows."""
    distinct = frame[~_find_copies(frame)]
    targets = pd.factorize(distinct[target_column])[0]
    if count_agreement(pd.factorize(distinct[name])[0], targets) < _MIN_AGREEMENT:
        return False
    if not pd.api.types.is_numeric_dtype(distinct[name].dtype):
        return not infer_date_format(distinct[name])
    return _neighbor_agreement(distinct[name], targets) < _MAX_NEIGHBOR_AGREEMENT or _has_own_features(
        distinct.drop(columns=target_column), name
    )


def _find_copies(frame: pd.DataFrame) -> np.ndarray:
    """Return whether each row repeats an earlier one."""
    return pd.Series(row_hash(frame, list(frame.columns), normalize=True)).duplicated().to_numpy()


def _neighbor_agreement(values: pd.Series, targets: np.ndarray) -> float:
    """Return how often a value and the next larger one have the same main target, corrected for chance."""
    main = pd.Series(targets).groupby(values.to_numpy()).agg(lambda group: group.mode().iloc[0]).to_numpy()
    expected = float((np.unique(main, return_counts=True)[1] ** 2).sum() / len(main) ** 2)
    return 0.0 if expected == 1 else float(((main[1:] == main[:-1]).mean() - expected) / (1 - expected))


def _has_own_features(frame: pd.DataFrame, name: str) -> bool:
    """Return whether rows with equal values of a column are similar, and rows with neighbouring values are not.

    The similarity of two rows in a feature is the distance of its ranks; a quarter of the features must qualify.
    """
    ordered = frame.sort_values(name, kind="stable")
    is_same = (ordered[name].diff().iloc[1:] == 0).to_numpy()
    shuffled = np.random.default_rng(0).permutation(len(ordered))
    results = []
    for feature in ordered.columns.drop(name):
        values = ordered[feature]
        ranks = values.rank() if pd.api.types.is_numeric_dtype(values.dtype) else pd.Series(pd.factorize(values)[0])
        distances = _distances(ranks.to_numpy(), values)
        spread = float(np.nanmean(_distances(ranks.to_numpy()[shuffled], values)))
        same, neighbor = float(np.nanmean(distances[is_same])), float(np.nanmean(distances[~is_same]))
        results.append(same < _MAX_SPREAD_RATIO * neighbor and neighbor >= _MIN_NEIGHBOR_SPREAD * spread)
    return bool(results) and float(np.mean(results)) >= _MIN_SHARE_OF_FEATURES


def _distances(ranks: np.ndarray, values: pd.Series) -> np.ndarray:
    """Return the distances of consecutive ranks of numbers; of other values, 0 if they are equal and else 1."""
    distances = np.abs(np.diff(ranks.astype(float)))
    return distances if pd.api.types.is_numeric_dtype(values.dtype) else np.minimum(distances, 1)
