"""From a table to parameters: what a look at it finds, what is decided from that, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lib.data import cleaning, leaks, moments, profile, tables
from lib.data.profile import DATE, NUMBERS, TEXT, WHOLE, Column
from lib.errors import DataError
from lib.schema import datetimes

_ID = re.compile(r"(?i)(^|[ _.-])(id|ids|key|uuid|guid|no|nr|number|index|rownames|rowid|pid)$|[a-z](Id|ID)$")
_YES = "true yes y t 1 1.0 positive pos ja j oui o si sí s sim wahr tak ano да".split()
_NO = "false no n f 0 0.0 negative neg nein non nee não nao falsch -1 nie ne нет".split()
# What a thing may be called by over several rows; a number or an index only counts.
_NAME = re.compile(r"(?i)(^|[ _.-])(id|ids|key|uuid|guid|pid)$|[a-z](Id|ID)$")
# A whole number of more values is an amount; of fewer, counted from 0 or 1, the number of a class.
_MOST_CLASS_NUMBERS = 20
_UNIQUE_SHARE = 0.95
_WORDS_PER_TEXT = 2.5
_CANDIDATES, _FALL = 2, 0.1
_RARE_SHARE = 0.05
_RARE_ROWS = 50
_LARGEST_CROSS_VALIDATED = 1_000


@dataclass
class Proposal:
    """Parameters for a table.

    Attributes
    ----------
    parameters : dict
        By name, in the order of ``parameters/base.yaml``.
    reasons : dict of str to str
        Why a parameter is what it is; of a column to drop under ``drop_columns.<name>``.
    findings : list of (str, str, str)
        What was looked at, what was found, what was decided.
    columns : mapping of str to Column
        The profile, for the contract.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    columns: Mapping[str, Column] = field(default_factory=dict)

    def find(self, what: str, found: str, decided: str = "") -> None:
        """Add a line to the findings."""
        self.findings.append((what, found, decided))


def propose(frame: pd.DataFrame, target_column: str, task: str = "", where: str = "the table") -> Proposal:
    """Parameters that a table and its target ask for.

    Parameters
    ----------
    frame : DataFrame
        As `tables.read` gives it.
    target_column : str
    task : str, optional
        Found by looking where it is not given.
    where : str
        What the table is called in messages.

    Raises
    ------
    NameNotFound, DataError
        Where there is no such target, or nothing can be learnt of it.
    """
    made = Proposal()
    read = frame.attrs.get(tables.NOTES, [])
    tables.get_column(frame, target_column, where)
    frame, renamed = cleaning.deduplicate_columns(frame, [target_column])
    made.find("table", f"{len(frame):,} rows, {frame.shape[1]} columns", " ".join(read) or "read")
    for note in renamed:
        made.find("header", note)
    columns = made.columns = profile.describe(frame)
    _decide_task(made, _as_learnt(frame[target_column], columns[target_column]), task)
    usable, notes = cleaning.prepare_target(frame, target_column, made.parameters["task"])
    for note in notes:
        made.find("target", note, "they are left out at every run")
    _decide_metric(made, usable[target_column])
    dropped = _decide_dropped(made, usable, target_column)
    _decide_dates(made, frame, columns, [*dropped, target_column])
    _decide_split(made, columns, dropped, target_column)
    _look_for_leaks(made, usable, target_column, dropped)
    made.parameters["drop_columns"] = list(dropped)
    made.reasons |= {f"drop_columns.{name}": reason for name, reason in dropped.items()}
    if not [name for name in columns if name not in dropped and name != target_column]:
        why = f": {_listed(dropped)}" if dropped else ", for it has no other"
        raise DataError(f"{where}: no column is left to predict {target_column} from{why}.")
    _tell_kinds(made, columns, dropped, target_column)
    return made


def _as_learnt(values: pd.Series, column: Column) -> Column:
    """Profile of a target once its classes are spelt alike."""
    if column.kind != TEXT:
        return column
    words = values.dropna().astype(str)
    return profile.describe_column(cleaning.normalize_labels(words[words.str.strip() != ""], column.name)[0])


def _decide_task(made: Proposal, target: Column, task: str) -> None:
    found = f"{target.name}: {target.kind}, {target.distinct:,} different values"
    if task:
        made.parameters["task"] = task
        made.find("task", found, f"{task}, as you say")
        return
    if target.distinct < 2:
        raise DataError(
            f"The target {target.name} has {target.distinct} different values; nothing can be learnt of it."
        )
    ends = (target.minimum, target.maximum)
    are_class_numbers = (
        target.kind == WHOLE
        and target.distinct <= _MOST_CLASS_NUMBERS
        and ends in ((0, target.distinct - 1), (1, target.distinct))
    )
    if target.distinct > 2 and target.kind == TEXT and {one.casefold() for one in target.levels} <= {*_YES, *_NO}:
        raise DataError(
            f"The target {target.name} says yes and no in {target.distinct} ways: {', '.join(target.levels)}. "
            "Write one word for each, or say --task multiclass if they are classes of their own."
        )
    if target.distinct == 2:
        made.parameters["task"] = "binary"
    elif target.kind in NUMBERS and not are_class_numbers:
        made.parameters["task"] = "regression"
    elif target.kind == DATE:
        raise DataError(f"The target {target.name} is a date. Derive a number or a class from it in prepare_data.")
    else:
        made.parameters["task"] = "multiclass"
    sure = "" if target.kind not in NUMBERS or target.distinct == 2 else "; if not, say --task"
    made.find("task", found, made.parameters["task"] + sure)


def _decide_metric(made: Proposal, target: pd.Series) -> None:
    task = made.parameters["task"]
    if task == "regression":
        made.parameters["primary_metric"] = "r2"
        made.find("target", f"{target.min():,.6g} to {target.max():,.6g}, mean {target.mean():,.6g}", "measured by r2")
        return
    counts = target.value_counts()
    shares = ", ".join(f"{name} {count / len(target):.1%}" for name, count in counts.head(6).items())
    rarest = counts.iloc[-1]
    if task == "binary":
        yes = [name for name in counts.index if str(name).lower() in _YES]
        positive = yes[0] if len(yes) == 1 else counts.index[-1]
        made.parameters["positive_class"] = positive.item() if hasattr(positive, "item") else positive
        is_rare = counts.min() / len(target) < _RARE_SHARE
        made.parameters["primary_metric"] = "average_precision" if is_rare else "roc_auc"
        decided = f"positive is {positive}, measured by {made.parameters['primary_metric']}"
    else:
        made.parameters["primary_metric"] = "f1_macro"
        decided = "measured by f1_macro, in which every class counts the same"
    made.find("classes", shares + (", ..." if len(counts) > 6 else ""), decided)
    if rarest < _RARE_ROWS:
        made.find(
            "rare class",
            f"{counts.index[-1]}: {rarest} rows",
            "dealt out to training and test; its scores prove little",
        )
    if len(target) < _LARGEST_CROSS_VALIDATED:
        made.find("size", f"{len(target):,} rows", "cross-validated, so that luck can be told from skill")


def _decide_dropped(made: Proposal, frame: pd.DataFrame, target: str) -> dict[str, str]:
    """Columns that no model should see, each with its reason."""
    dropped = {}
    index = cleaning.find_index_columns(frame)
    for name in frame.columns:
        column = made.columns[name]
        if name == target or name in index:
            continue
        present = column.rows - column.missing
        is_named_id = bool(_ID.search(name))
        if present == 0:
            dropped[name] = "all values are missing"
        elif column.distinct == 1 and column.missing == 0:
            dropped[name] = "the same value in every row"
        elif column.kind == WHOLE and column.is_unique and (is_named_id or _counts_rows(column)):
            dropped[name] = "an id: another number in every row"
        elif column.kind == TEXT and column.distinct >= _UNIQUE_SHARE * present and (column.words < _WORDS_PER_TEXT):
            forms = ", ".join(map(datetimes.describe_format, moments.find_mixed_formats(frame[name])))
            dropped[name] = (
                f"dates in several forms ({forms}): write them in one"
                if forms
                else "an id: another text in nearly every row"
            )
    if index:
        made.find("saved index", ", ".join(index), "left out at every run")
    return dropped


def _counts_rows(column: Column) -> bool:
    return column.maximum - column.minimum == column.rows - 1


def _decide_dates(made: Proposal, frame: pd.DataFrame, columns: Mapping[str, Column], unseen: Sequence[str]) -> None:
    """Which comes first, day or month; and what else of the dates is read in a way that has to be told."""
    names = [name for name, column in columns.items() if column.kind == DATE and name not in unseen]
    forms = {name: form for name in names if (form := moments.inspect_date_format(frame[name]))}
    american = [name for name, one in forms.items() if one.format.startswith("%m") and not one.is_ambiguous]
    if american:
        made.parameters["month_first"] = True
        made.reasons["month_first"] = f"as in {american[0]}, e.g. {forms[american[0]].example}"
    for name, one in forms.items():
        form = datetimes.swap_day_and_month(one.format) if one.is_ambiguous and american else one.format
        if one.is_ambiguous:
            said = "month first, as elsewhere" if american else "day first; if the month is: month_first: true"
            made.find("ambiguous", f"{name}, e.g. {one.example}: no row tells day from month", said)
        if one.unreadable:
            found = f"{name}: {one.unreadable:,} values are not like the others, {datetimes.describe_format(form)}"
            made.find("other dates", found, "they count as missing")
        if "%y" in form:
            found = f"{name}, e.g. {one.example} ({datetimes.describe_format(form)})"
            made.find("two digits", found, "00 to 68 are 2000 to 2068; write years in full if not so")


def _decide_split(made: Proposal, columns: Mapping[str, Column], dropped: dict[str, str], target: str) -> None:
    for name, column in columns.items():
        repeats = 1 < column.distinct < column.rows - column.missing and column.missing == 0
        is_name = _NAME.search(name) and column.kind in (WHOLE, TEXT)
        if name in dropped or name == target or not is_name or not repeats:
            continue
        if column.distinct < 20 or column.distinct < 0.01 * column.rows:  # too few to be the names of things
            continue
        made.parameters |= {"key_columns": [name], "split": "group"}
        made.reasons["split"] = f"rows of one {name} stay on one side, or the test would know them"
        dropped[name] = "an id, which the split needs and no model"
        made.find("group", f"{name}: {column.distinct:,} in {column.rows:,} rows", "split by group")
        return
    dates = [name for name, column in columns.items() if column.kind == DATE and name not in dropped and name != target]
    if dates:
        said = f"not used to split; to test on the latest rows: split: time, time_column: {dates[0]}"
        made.find("dates", ", ".join(dates), said)


def _look_for_leaks(made: Proposal, frame: pd.DataFrame, target: str, dropped: dict[str, str]) -> None:
    task = made.parameters["task"]
    X = frame.drop(columns=[target, *[name for name in dropped if name in frame.columns]])
    X = X.drop(columns=cleaning.find_index_columns(X))
    parts = leaks.sums(X, frame[target], made.columns) if task == "regression" else []
    if 1 < len(parts):
        for name in parts:
            dropped[name] = f"a leak: {' and '.join(parts)} add up to {target}"
        made.find("leak", f"{', '.join(parts)} add up to {target}", "dropped")
        X = X.drop(columns=parts)
    trial = leaks.Trial(X, frame[target], task, made.columns)
    alone = trial.alone()
    measure, least = leaks.limit(task)
    sure = alone[alone >= least]
    if len(sure) < X.shape[1]:
        for name, score in sure.items():
            dropped[name] = f"a leak: by itself it tells {target} ({measure} {score:.3f})"
            said = f"{name} by itself tells {target} ({measure} {score:.3f})"
            made.find("leak", said, "dropped; if it is known beforehand, keep it")
    if sure.empty and len(alone) > 1:
        _look_for_suspects(made, trial, alone, measure)


def _look_for_suspects(made: Proposal, trial: leaks.Trial, alone: pd.Series, measure: str) -> None:
    """A column without which all others together are far worse: honest ones can mostly stand in for one another."""
    every = trial.without(None)
    for name in alone.index[:_CANDIDATES]:
        rest = trial.without(name)
        if every - rest >= _FALL:
            said = f"without {name}, {measure} falls from {every:.3f} to {rest:.3f}"
            made.find("suspect", said, "kept: is it known when the endpoint is asked?")


def _tell_kinds(made: Proposal, columns: Mapping[str, Column], dropped: Mapping[str, str], target: str) -> None:
    plain = {name: reason for name, reason in dropped.items() if not reason.startswith("a leak")}
    if plain:
        made.find("dropped", _listed(plain), "no model sees them")
    seen = [column for name, column in columns.items() if name not in dropped and name != target]
    counts = {kind: sum(one.kind == kind for one in seen) for kind in profile.KINDS}
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    made.find("columns", kinds, "the training reads each in its kind")
    missing = sorted((one for one in seen if one.missing), key=lambda one: -one.missing)
    if missing:
        shown = ", ".join(f"{one.name} {one.missing / one.rows:.1%}" for one in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        made.find("missing", shown + more, "filled by the model, where it needs to")


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({reason})" for name, reason in reasons.items())
