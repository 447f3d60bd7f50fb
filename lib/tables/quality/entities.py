"""Detection of repeated entities, such as patients with several rows each, by the values of a column.

If some rows of an entity train and others test, a model can recognize the entity instead of learning, and the test
score is too good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.schema.date_columns import infer_date_format
from lib.tables.quality.counters import may_be_counter
from lib.tables.split.row_hash import row_hash

# At least this number of values must occur in several distinct rows, and this share of the rows must have such a value.
_MIN_REPEATED_VALUES = 20
_MIN_REPEATED_SHARE = 0.1
# This number of repeated values must have another target than the most frequent one; with fewer, rows agree by chance.
_MIN_OTHER_VALUES = 5
_MIN_AGREEMENT = 0.95
_MAX_NEIGHBOR_AGREEMENT = 0.8
# A feature belongs to the entity if rows with equal IDs are nearer in it than rows with neighboring IDs, which differ
# as much as any two rows.
_MAX_DISTANCE_RATIO = 0.6
_MIN_NEIGHBOR_DISTANCE = 0.5
_MIN_SHARE_OF_FEATURES = 0.25
_MAX_ROWS = 50_000
_SAMPLED_VALUES = 2_000
# The search for pairs takes time in proportion to the square of the number of columns.
_MAX_PAIRED_COLUMNS = 200
_MAX_PAIRED_GROUPS = 1_000
_MAX_CELLS = 5_000_000


def find_entity_key(frame: pd.DataFrame, target_column: str, candidates: Sequence[str] | None = None) -> list[str]:
    """Return the first column that identifies repeated entities, or else a pair of columns, or an empty list.

    A column identifies entities if all rows with the same value have the same target. The agreement of their targets is
    measured by Fleiss' kappa, weighted by rows and corrected for chance: 1 if each value has one target, and 0 if the
    targets do not depend on the value (Fleiss: Measuring nominal scale agreement among many raters, Psychological
    Bulletin 76, 1971). Kappa must be at least 0.95, which allows a few wrong labels. At least 20 values must repeat,
    and their rows must be at least a tenth of all rows. Copies of a row count once, because they agree in every column.

    Rows with equal values of a strong feature have the same target too. But for a feature, unlike an ID, rows with
    neighboring values mostly have the same target as well. A column of numbers is therefore an ID only if the agreement
    of neighboring values is below 0.8, or if rows with equal values have similar features and rows with neighboring
    values do not.

    A pair is examined if one column counts from 0 or 1 again in each value of the other, as patients may be numbered
    in each hospital.

    Parameters
    ----------
    frame : DataFrame
        If it has more than 50,000 rows, only the first ones are examined, or only rows with 2,000 values of a column.
    target_column : str
    candidates : sequence of str, optional
        The columns to examine; by default all columns except the target. Columns of dates or of numbers that are not
        whole are never IDs.

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
        # Most columns fail this quick test. It does not remove copies of rows, which can only raise the agreement.
        if measure_agreement(values, row_targets) >= _MIN_AGREEMENT and _identifies_entities(rows, name, target_column):
            return [name]
        if len(names) <= _MAX_PAIRED_COLUMNS:
            codes[name] = values if rows is first_rows else pd.factorize(first_rows[name])[0]
    return _find_entity_pair(first_rows, codes, targets)


def measure_agreement(values: np.ndarray, targets: np.ndarray) -> float:
    """Return Fleiss' kappa of the targets among rows with equal values; 0 if too few values are repeated.

    Parameters
    ----------
    values, targets : ndarray of int, of shape (rows,)
        Code of each row's value, and of its target; negative for missing values.
    """
    values, targets = values[values >= 0], targets[values >= 0]
    counts = np.bincount(values) if len(values) else np.zeros(0, dtype=int)
    is_repeated = counts[values] > 1
    if np.count_nonzero(counts > 1) < _MIN_REPEATED_VALUES or is_repeated.mean() < _MIN_REPEATED_SHARE:
        return 0.0
    kappa, rare_target_count = _fleiss_kappa(values[is_repeated], targets[is_repeated])
    return 0.0 if rare_target_count < _MIN_OTHER_VALUES else kappa


def _fleiss_kappa(values: np.ndarray, targets: np.ndarray) -> tuple[float, int]:
    """Return Fleiss' kappa of the targets among rows with equal values, and a count of values.

    Counted are the values with at least one row whose target is not the most frequent one.

    Parameters
    ----------
    values, targets : ndarray of int, of shape (rows,)
        Code of each row's value, which must occur in several rows, and of its target; negative for missing targets.
    """
    counts, targets = np.bincount(values), targets.astype(np.int64) + 1
    target_counts = np.bincount(targets)
    cells, rows = np.unique(values * np.int64(len(target_counts)) + targets, return_counts=True)
    cell_values, cell_targets = np.divmod(cells, len(target_counts))
    # Probability that a row has the same target as another row with the same value, and as any other row.
    observed = float((rows * (rows - 1) / (counts[cell_values] - 1)).sum() / len(values))
    expected = float((target_counts / len(values)) @ (target_counts / len(values)))
    rare_target_count = len(np.unique(cell_values[cell_targets != target_counts.argmax()]))
    return (1.0 if expected == 1 else (observed - expected) / (1 - expected)), rare_target_count


def _determines_target(values: np.ndarray, targets: np.ndarray) -> bool:
    """Return whether rows that share a value mostly share the target. Values that occur once are ignored."""
    counts = np.bincount(values[values >= 0])
    is_repeated = (values >= 0) & (counts[values] > 1)
    return bool(is_repeated.any()) and _fleiss_kappa(values[is_repeated], targets[is_repeated])[0] >= _MIN_AGREEMENT


def _find_entity_pair(frame: pd.DataFrame, codes: Mapping[str, np.ndarray], targets: np.ndarray) -> list[str]:
    """Return two columns that identify entities together, or an empty list.

    One of them counts from 0 or 1 again in each value of the other.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    codes : mapping of str to ndarray of int, of shape (rows,)
        Codes of the values of each column that may be part of a pair.
    targets : ndarray of int, of shape (rows,)
        Codes of the targets.
    """
    # A column that determines the target alone would make every pair agree.
    names = [name for name in codes if not _determines_target(codes[name], targets)]
    groups = [name for name in names if codes[name].min(initial=0) == 0 and codes[name].max() < _MAX_PAIRED_GROUPS]
    for name in filter(lambda name: may_be_counter(frame[name]), names):
        numbers = frame[name].to_numpy(dtype=np.int64) - int(frame[name].min())
        for group in groups:
            pairs = codes[group] * (numbers.max() + 1) + numbers
            if group == name or not _counts_in_each_group(pairs, int(codes[group].max()) + 1, int(numbers.max()) + 1):
                continue
            if measure_agreement(pairs, targets) < _MIN_AGREEMENT:  # takes less time than the search for copies
                continue
            is_copy = _find_copies(frame)
            if measure_agreement(pairs[~is_copy], targets[~is_copy]) >= _MIN_AGREEMENT:
                return sorted([group, name], key=names.index)
    return []


def _counts_in_each_group(pairs: np.ndarray, group_count: int, number_count: int) -> bool:
    """Return whether each group contains the numbers from 0 up to its maximum without a gap.

    Parameters
    ----------
    pairs : ndarray of int, of shape (rows,)
        ``group * number_count + number`` of each row.
    group_count, number_count : int
    """
    if group_count < 2 or group_count * number_count > _MAX_CELLS:
        return False
    occurs = np.zeros(group_count * number_count, dtype=bool)
    occurs[pairs] = True
    table = occurs.reshape(group_count, number_count)
    return bool(table[:, 0].all() and not (table[:, 1:] & ~table[:, :-1]).any())


def _may_be_id(values: pd.Series) -> bool:
    """Return whether the first rows of a column contain text or whole numbers."""
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
    """Return the rows in which to examine a column: the first ones, or those with 2,000 random values.

    The latter are chosen if the table is large and a value rarely occurs twice in the first rows.
    """
    if len(frame) <= _MAX_ROWS or first_rows[name].nunique() < (1 - _MIN_REPEATED_SHARE) * _MAX_ROWS:
        return first_rows
    places = np.random.default_rng(0).choice(len(frame), _SAMPLED_VALUES, replace=False)
    values = frame[name].iloc[np.sort(places)].dropna().unique()
    return frame[frame[name].isin(values)].head(_MAX_ROWS)


def _identifies_entities(frame: pd.DataFrame, name: str, target_column: str) -> bool:
    """Return whether a column is an ID with one target per value, examined without copies of rows."""
    distinct = frame[~_find_copies(frame)]
    targets = pd.factorize(distinct[target_column])[0]
    if measure_agreement(pd.factorize(distinct[name])[0], targets) < _MIN_AGREEMENT:
        return False
    if not pd.api.types.is_numeric_dtype(distinct[name].dtype):
        return not infer_date_format(distinct[name])
    return _neighbor_agreement(distinct[name], targets) < _MAX_NEIGHBOR_AGREEMENT or _has_own_features(
        distinct.drop(columns=target_column), name
    )


def _find_copies(frame: pd.DataFrame) -> np.ndarray:
    """Return whether each row is a copy of an earlier row."""
    return pd.Series(row_hash(frame, list(frame.columns), normalize=True)).duplicated().to_numpy()


def _neighbor_agreement(values: pd.Series, targets: np.ndarray) -> float:
    """Return how often a value and the next larger value have the same most frequent target, corrected for chance."""
    main = pd.Series(targets).groupby(values.to_numpy()).agg(lambda group: group.mode().iloc[0]).to_numpy()
    expected = float((np.unique(main, return_counts=True)[1] ** 2).sum() / len(main) ** 2)
    return 0.0 if expected == 1 else float(((main[1:] == main[:-1]).mean() - expected) / (1 - expected))


def _has_own_features(frame: pd.DataFrame, name: str) -> bool:
    """Return whether rows with equal values of a column are similar, and rows with neighboring values are not.

    The distance of two rows in a feature is the difference of the ranks. The condition must hold for a quarter of the
    features.
    """
    ordered = frame.sort_values(name, kind="stable")
    has_equal_id = (ordered[name].diff().iloc[1:] == 0).to_numpy()
    shuffled = np.random.default_rng(0).permutation(len(ordered))
    are_entity_features = []
    for feature in ordered.columns.drop(name):
        values = ordered[feature]
        ranks = values.rank() if pd.api.types.is_numeric_dtype(values.dtype) else pd.Series(pd.factorize(values)[0])
        distances = _distances_in_sequence(ranks.to_numpy(), values)
        random_distance = float(np.nanmean(_distances_in_sequence(ranks.to_numpy()[shuffled], values)))
        equal_id_distance = float(np.nanmean(distances[has_equal_id]))
        neighbor_distance = float(np.nanmean(distances[~has_equal_id]))
        are_entity_features.append(
            equal_id_distance < _MAX_DISTANCE_RATIO * neighbor_distance
            and neighbor_distance >= _MIN_NEIGHBOR_DISTANCE * random_distance
        )
    return bool(are_entity_features) and float(np.mean(are_entity_features)) >= _MIN_SHARE_OF_FEATURES


def _distances_in_sequence(ranks: np.ndarray, values: pd.Series) -> np.ndarray:
    """Return the distance of each row's rank from that of the next row; for values that are not numbers, 0 or 1."""
    distances = np.abs(np.diff(ranks.astype(float)))
    return distances if pd.api.types.is_numeric_dtype(values.dtype) else np.minimum(distances, 1)
