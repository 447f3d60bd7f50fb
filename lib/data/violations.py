"""A table held against its contract by pandera: every broken rule, how many rows break it, and three of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lib.data import tables
from lib.data.contract import ColumnRules, Contract
from lib.data.moments import to_datetimes
from lib.data.profile import BOOLEAN, DATE, NUMBER, WHOLE

_SHOWN = 3
_ROWS_PER_CHECK = 2**19
# A share of nothing would be infinitely far away.
_LEAST_SHARE = 1e-4
COLUMNS = ("column", "rule", "rows", "examples")


@dataclass(frozen=True)
class Violations:
    """What a table breaks.

    Attributes
    ----------
    table : DataFrame
        Of each broken rule the column, the rule in words, how many rows break it and three of them. A rule of the whole
        table has 0 rows.
    rows : ndarray of bool, of shape (rows of the table,)
        Whether a row breaks a rule.
    of_table : bool
        Whether a rule of the whole table is broken, which leaving out rows cannot mend.
    places : mapping of (str, str) to sequence of int
        Of each column and rule the rows that break it, from 0 on.
    """

    table: pd.DataFrame
    broken_rows: np.ndarray
    breaks_table_rule: bool
    places: Mapping[tuple[str, str], Sequence[int]]

    def reasons(self) -> list[str]:
        """Of each row that breaks one, the rules that it breaks."""
        said: dict[int, list[str]] = {place: [] for place in np.flatnonzero(self.broken_rows)}
        for (column, rule), places in self.places.items():
            for place in places:
                said[place].append(f"{column}: {rule}")
        return ["; ".join(one) for one in said.values()]

    def __str__(self) -> str:
        lines = []
        for column, rule, rows, examples in self.table.itertuples(index=False):
            where = f"{column}: " if column else ""
            found = f"{rows:,} {'row' if rows == 1 else 'rows'}, e.g. {examples}" if rows else examples
            lines.append(f"  - {where}{rule} ({found})")
        return "\n".join(lines)


def find(frame: pd.DataFrame, contract: Contract, unread: Collection[str] = ()) -> Violations:
    """Hold a table against its contract.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    unread : collection of str
        Columns that were not read, and are not missed.
    """
    rules = {name: one for name, one in contract.columns.items() if name not in unread}
    broken = np.zeros(len(frame), dtype=bool)
    found: dict[tuple[str, str], list] = {}
    checks = _checks(rules, frame.columns)
    for start in range(0, len(frame), _ROWS_PER_CHECK):
        _collect(checks, frame.iloc[start : start + _ROWS_PER_CHECK], start, found, broken)
    _find_twice(frame, rules, contract, found, broken)
    rows = [
        (column, rule, len(places), _examples(frame, column, places, contract.key))
        for (column, rule), places in found.items()
    ]
    # Rows that break a rule are left aside, or the table refused: how it drifted, the others say.
    kept = frame[~broken] if broken.any() and not broken.all() else frame
    of_table = _of_table(kept, rules, contract, unread)
    return Violations(pd.DataFrame([*of_table, *rows], columns=list(COLUMNS)), broken, bool(of_table), found)


@dataclass(frozen=True)
class _Check:
    """What is seen row by row: a function of values, the rule in words, and whether missing values are passed over."""

    fits: Callable[[pd.Series], pd.Series]
    words: str
    ignore_missing: bool = True

    def holds(self, values: pd.Series) -> bool:
        return bool(np.all(self.fits(values.dropna() if self.ignore_missing else values)))


def _checks(rules: Mapping[str, ColumnRules], present: Collection[str]) -> dict[str, list[_Check]]:
    columns: dict[str, list[_Check]] = {}
    for name, one in rules.items():
        if name not in present:
            continue
        checks = columns[name] = []
        if one.type in _FITS and not one.max_invalid_share:
            checks.append(_Check(_FITS[one.type], f"must be a {one.type}"))
        if one.minimum is not None or one.maximum is not None:
            checks.append(_Check(_within(one.minimum, one.maximum), f"must be {_range(one)}"))
        if one.categories is not None:
            allowed = {str(level) for level in one.categories}
            checks.append(_Check(_among(allowed), f"must be one of {', '.join(map(str, one.categories))}"))
        if not one.nullable:
            checks.append(_Check(_is_there, "must not be missing", ignore_missing=False))
    return columns


def _collect(
    checks: Mapping[str, list[_Check]], part: pd.DataFrame, start: int, found: dict, broken: np.ndarray
) -> None:
    # Of categories pandera cannot name those that are missing.
    plain = {
        name: tables.decode_dictionary(values) if tables.is_dictionary_encoded(values) else values.astype(object)
        for name, values in part.items()
        if isinstance(values.dtype, pd.CategoricalDtype)
    }
    part = part.assign(**plain) if plain else part
    # What pandera does around a check takes longer than most checks, and most columns keep their rules.
    suspects = {name: some for name, some in checks.items() if not all(one.holds(part[name]) for one in some)}
    if not suspects:
        return
    import pandera.errors
    import pandera.pandas as pandera

    columns = {
        name: pandera.Column(
            None,
            [pandera.Check(one.fits, error=one.words, ignore_na=one.ignore_missing) for one in some],
            nullable=True,
            required=False,
        )
        for name, some in suspects.items()
    }
    part = part[list(columns)].set_axis(np.arange(start, start + len(part)))
    with contextlib.suppress(pandera.errors.SchemaErrors):  # what it found is in `failed`
        failed = pd.DataFrame()
        try:
            pandera.DataFrameSchema(columns).validate(part, lazy=True)
        except pandera.errors.SchemaErrors as error:
            failed = error.failure_cases
            raise
        finally:
            for (column, rule), rows in failed.groupby(["column", "check"], sort=False) if len(failed) else ():
                places = sorted(rows["index"].astype(int))
                found.setdefault((column, rule), []).extend(places)
                broken[places] = True


def _find_twice(
    frame: pd.DataFrame, rules: Mapping[str, ColumnRules], contract: Contract, found: dict, broken: np.ndarray
) -> None:
    """Values that must not come twice, over the whole table; the first row of each keeps the rule."""
    asked = [([name], "must not come twice") for name, one in rules.items() if one.unique]
    if contract.key:
        asked.append((contract.key, "must not come twice: it is the key"))
    for names, words in asked:
        if set(names) <= set(frame.columns):
            twice = (frame.duplicated(names) & frame[names].notna().all(axis=1)).to_numpy()
            if twice.any():
                found[" and ".join(names), words] = np.flatnonzero(twice).tolist()
                broken |= twice


def _of_table(
    frame: pd.DataFrame, rules: Mapping[str, ColumnRules], contract: Contract, unread: Collection[str]
) -> list[tuple[str, str, int, str]]:
    """Broken rules of the table as a whole."""
    found = []
    if len(frame) < contract.min_rows:
        found.append(("", f"must have {contract.min_rows:,} rows or more", 0, f"it has {len(frame):,}"))
    found += [(name, "must be there", 0, "it is not") for name in rules if name not in frame.columns]
    if not contract.allow_extra_columns:
        others = [str(name) for name in frame.columns if name not in contract.columns and name not in unread]
        found += [(name, "must not be there", 0, "the contract does not name it") for name in others]
    for name, one in rules.items():
        if name not in frame.columns:
            continue
        missing = float(frame[name].isna().mean())
        if one.max_missing_share is not None and missing > one.max_missing_share:
            found.append(
                (name, f"must be missing in {one.max_missing_share:.1%} at most", 0, f"it is in {missing:.1%}")
            )
        others = _others(frame[name], one)
        if one.max_invalid_share and others > one.max_invalid_share:
            words = f"must be a {one.type} but for {one.max_invalid_share:.1%}"
            found.append((name, words, 0, f"{others:.1%} are none"))
        moved = drift(frame[name], one)
        if contract.max_drift is not None and moved > contract.max_drift:
            found.append((name, f"must not drift by more than {contract.max_drift:g}", 0, f"it did by {moved:.3g}"))
    return found


def _others(values: pd.Series, rules: ColumnRules) -> float:
    """Share of the values that are not of the type; where the contract allows none, each is told by its row."""
    present = values.dropna()
    if not rules.max_invalid_share or rules.type not in _FITS or present.empty:
        return 0.0
    return 1 - float(_FITS[rules.type](present).mean())


def find_in_sample(
    frame: pd.DataFrame, contract: Contract, unread: Collection[str] = ()
) -> list[tuple[str, str, int, str]]:
    """Broken rules of a table as a whole, seen from a sample of its rows; those on how many there are, are not."""
    rules = {name: one for name, one in contract.columns.items() if name not in unread}
    found = _of_table(frame, rules, replace(contract, min_rows=0), unread)
    return [one for one in found if one[1] not in ("must be there", "must not be there")]


def drift(values: pd.Series, rules: ColumnRules) -> float:
    """Population stability index of a column against the spread in its rules; 0 where they tell none.

    Siddiqi: Credit risk scorecards, 2006: the sum over bins of (p - q) ln(p / q).
    """
    if rules.bins:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
        edges = np.array(list(rules.bins), dtype=float)
        expected = np.append(np.array(list(rules.bins.values()), dtype=float), 0.0)
        bins = np.searchsorted(edges, numbers[np.isfinite(numbers)], side="left")
        actual = np.bincount(bins, minlength=len(expected))
    elif rules.shares:
        levels = values.dropna().astype(str).value_counts()
        names = [*rules.shares, *(name for name in levels.index if name not in rules.shares)]
        expected = np.array([rules.shares.get(name, 0.0) for name in names])
        actual = levels.reindex(names, fill_value=0).to_numpy()
    else:
        return 0.0
    if not actual.sum():
        return 0.0
    p, q = (np.maximum(one / one.sum(), _LEAST_SHARE) for one in (actual, expected))
    return float(((p - q) * np.log(p / q)).sum())


def _is_number(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").notna()


def _is_whole(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").mod(1).eq(0)


def _is_date(values: pd.Series) -> pd.Series:
    moments = to_datetimes(values)
    return pd.Series(False, index=values.index) if moments is None else moments.notna()


def _is_boolean(values: pd.Series) -> pd.Series:
    # One word in a column of true and false makes texts of all of them.
    return values.isin([True, False]) | values.astype(str).str.lower().isin(["true", "false"])


def _is_there(values: pd.Series) -> pd.Series:
    return values.notna()


_FITS = {NUMBER: _is_number, WHOLE: _is_whole, DATE: _is_date, BOOLEAN: _is_boolean}


def _within(low: float | None, high: float | None) -> Any:
    def fits(values: pd.Series) -> pd.Series:
        numbers = pd.to_numeric(values, errors="coerce")  # what is no number breaks the rule of its type
        above = numbers.ge(-np.inf if low is None else low)
        within = above & numbers.le(np.inf if high is None else high)
        return within | ~np.isfinite(numbers.to_numpy(dtype=float, na_value=np.nan))  # infinite ones count as missing

    return fits


def _among(allowed: Collection[str]) -> Any:
    return lambda values: values.astype(str).isin(allowed)


def _range(rules: ColumnRules) -> str:
    if rules.maximum is None:
        return f"{rules.minimum:g} or more"
    return f"{rules.maximum:g} or less" if rules.minimum is None else f"{rules.minimum:g} to {rules.maximum:g}"


def _examples(frame: pd.DataFrame, column: str, places: list[int], key: list[str]) -> str:
    """Three rows that break a rule: their number from 1 on and what is in the column."""
    names = [column] if column in frame.columns else [name for name in key if name in frame.columns]
    rows = [(place + 1, frame[names].iloc[[place]].astype(object).to_numpy()[0]) for place in places[:_SHOWN]]
    return "; ".join(f"row {row:,}: {', '.join(map(repr, values))}" for row, values in rows)
