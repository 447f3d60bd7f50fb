"""Parameters proposed for a new table, with the findings and reasons that led to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lib.errors import DataError, format_count
from lib.schema.table_schema import KINDS
from lib.tables import cleaning, frames, proposed_columns
from lib.tables.feature_schema import derive_feature_schema
from lib.tables.min_score import propose_min_score
from lib.tables.proposed_split import decide_split
from lib.tables.quality import id_columns, leakage, profile
from lib.tables.quality.profile import NUMBERS, TEXT, ColumnProfile
from lib.tables.targets import choose_spellings, prepare_target
from lib.tables.task_inference import infer_positive_class, infer_task

_RARE_CLASS_SHARE = 0.05
_RARE_CLASS_ROWS = 50
_MAX_CROSS_VALIDATED_ROWS = 1_000
_MAX_LISTED_CLASSES = 6
_MAX_LISTED_COLUMNS = 5
_MAX_LISTED_FEATURES = 12
_LEAK = "leak: "
_KEPT = "kept; drop columns whose values are unknown at prediction time"


@dataclass
class Proposal:
    """Parameters for a table.

    Attributes
    ----------
    parameters : dict
        Parameters by name.
    reasons : dict of str to str
        Reason for the value of a parameter, by parameter name; for a dropped column, by ``drop_columns.<name>``.
    findings : list of (str, str, str)
        Aspect of the table, what was found, and what was decided.
    columns : mapping of str to ColumnProfile
        Profile of the table, for its contract.
    leaks : list of tuple of str
        Names of the columns that form each certain or possible leak.
    date_formats : dict of str to str
        Date format of each text column of dates, with the month first if the proposal says so.
    kinds : dict of str to str
        Kind of each feature, one of `lib.schema.table_schema.KINDS`.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    leaks: list[tuple[str, ...]] = field(default_factory=list)
    date_formats: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def add_finding(self, aspect: str, finding: str, decision: str = "") -> None:
        """Add a line to the findings."""
        self.findings.append((aspect, finding, decision))


def propose(
    frame: pd.DataFrame,
    target_column: str,
    task: str = "",
    where: str = "the table",
    start_step: Callable[[str], None] = lambda name: None,
) -> Proposal:
    """Propose parameters for a table and a target.

    Parameters
    ----------
    frame : DataFrame
        A table returned by `frames.read`.
    target_column : str
    task : str, optional
        Inferred from the target if empty.
    where : str
        Name of the table in messages.
    start_step : callable
        Called with the name of a step before each of the two steps that may take long.

    Raises
    ------
    NameNotFound
        If the table has no such column.
    DataError
        If no model can learn the target, or no column is left from which to predict it.
    """
    proposal = Proposal()
    notes = frame.attrs.get(frames.NOTES, [])
    frames.get_column(frame, target_column, where)
    frame, renamed = cleaning.deduplicate_columns(frame, [target_column])
    proposal.add_finding("table", f"{len(frame):,} rows, {frame.shape[1]} columns", " ".join(notes))
    for note in renamed:
        proposal.add_finding("header", note)
    start_step("describing the columns")
    frame = proposed_columns.decide_missing_codes(proposal, frame)
    frame, columns = proposed_columns.combine_date_parts(proposal, frame, profile.describe(frame), target_column)
    proposal.columns = columns
    _decide_task(proposal, _profile_labels(frame[target_column], columns[target_column]), task)
    usable, notes = prepare_target(frame, target_column, proposal.parameters["task"])
    for note in notes:
        proposal.add_finding("target", note, "applied in every run")
    _decide_metric(proposal, usable[target_column])
    _decide_min_score(proposal, usable[target_column])
    index_columns = cleaning.find_index_columns(usable)
    if index_columns:
        proposal.add_finding("saved index", ", ".join(index_columns), "dropped in every run")
    dropped = _find_columns_to_drop(proposal, usable, [*index_columns, target_column])
    proposed_columns.decide_dates(proposal, frame, columns, [*dropped, target_column])
    decide_split(proposal, usable, dropped, target_column)
    start_step("searching for leaks")
    _drop_leaks(proposal, usable, target_column, dropped)
    proposal.parameters["drop_columns"] = list(dropped)
    proposal.reasons |= {f"drop_columns.{name}": reason for name, reason in dropped.items()}
    ignored = [*index_columns, *dropped, target_column]
    if {*columns} <= {*ignored}:
        why = f" All other columns are dropped: {_join_reasons(dropped)}." if dropped else ""
        raise DataError(f"{where} has no column from which to predict {target_column}.{why}")
    _summarize_columns(proposal, columns, dropped, ignored)
    _list_kinds(proposal, frame, ignored)
    return proposal


def _profile_labels(values: pd.Series, column: ColumnProfile) -> ColumnProfile:
    """Return the profile of a target after merging spellings of the same class."""
    if column.kind != TEXT:
        return column
    texts = values.dropna().astype(str)
    labels = texts[texts.str.strip() != ""]
    return profile.describe_column(labels.replace(choose_spellings(labels.value_counts().index)))


def _decide_task(proposal: Proposal, target: ColumnProfile, task: str) -> None:
    """Set the task to the requested one, or infer it from the target if none is requested."""
    finding = f"{target.name}: {target.kind}, {format_count(target.distinct, 'distinct value')}"
    if task:
        proposal.add_finding("task", finding, f"{task}, as requested")
    else:
        task = infer_task(target)
        is_sure = target.kind not in NUMBERS or target.distinct == 2
        proposal.add_finding("task", finding, task if is_sure else f"{task}; use --task to choose another")
    proposal.parameters["task"] = task


def _decide_metric(proposal: Proposal, target: pd.Series) -> None:
    """Set the primary metric and the positive class, and report the values of the target."""
    task = proposal.parameters["task"]
    if task == "regression":
        proposal.parameters["primary_metric"] = "r2"
        low, high, mean = map(_format_number, (target.min(), target.max(), target.mean()))
        finding = f"{low} to {high}, mean {mean}"
        proposal.add_finding("target", finding, "primary metric r2")
        return
    counts = target.value_counts()
    shares = [f"{name} {count / len(target):.1%}" for name, count in counts.head(_MAX_LISTED_CLASSES).items()]
    if len(counts) > len(shares):
        shares.append("...")
    if task == "binary":
        positive_class = infer_positive_class(counts)
        is_rare = counts.min() / len(target) < _RARE_CLASS_SHARE
        metric = "average_precision" if is_rare else "roc_auc"
        proposal.parameters["positive_class"] = positive_class
        decision = f"positive class {positive_class}, primary metric {metric}"
    else:
        metric = "f1_macro"
        decision = "primary metric f1_macro, which weighs all classes equally"
    proposal.parameters["primary_metric"] = metric
    proposal.add_finding("classes", ", ".join(shares), decision)
    if counts.iloc[-1] < _RARE_CLASS_ROWS:
        finding = f"{counts.index[-1]} has only {format_count(counts.iloc[-1], 'row')}"
        proposal.add_finding("rare class", finding, "split between training and test; its scores are uncertain")
    if len(target) < _MAX_CROSS_VALIDATED_ROWS:
        proposal.add_finding("size", f"only {len(target):,} rows", "cross-validation shows the spread of the scores")


def _decide_min_score(proposal: Proposal, target: pd.Series) -> None:
    """Propose the least score that is better than guessing beyond chance."""
    metric = proposal.parameters["primary_metric"]
    scores = propose_min_score(metric, target, proposal.parameters.get("positive_class"))
    if scores is None:
        proposal.add_finding("guessing", f"{len(target):,} rows are few", "no min_score; the gate no_skill still holds")
        return
    guess, minimum = scores
    proposal.parameters["min_score"] = minimum
    proposal.reasons["min_score"] = f"guessing scores {guess:g}; raise it to what the use case needs"
    proposal.add_finding(
        "guessing", f"scores {guess:g} in {metric}", f"min_score {minimum:g}, more than chance explains"
    )


def _format_number(number: float) -> str:
    """Return a number with six digits, or all digits before the point.

    >>> _format_number(7_700_000.0), _format_number(1234.5678), _format_number(0.5)
    ('7,700,000', '1,234.57', '0.5')
    """
    return f"{number:,.0f}" if abs(number) >= 100_000 else f"{number:,.6g}"


def _find_columns_to_drop(proposal: Proposal, frame: pd.DataFrame, ignored: Sequence[str]) -> dict[str, str]:
    """Return the columns that no model should learn from, with reasons."""
    names = [name for name in frame.columns if name not in ignored]
    reasons = {name: id_columns.find_reason_to_drop(proposal.columns[name], frame[name]) for name in names}
    return {name: reason for name, reason in reasons.items() if reason}


def _drop_leaks(proposal: Proposal, frame: pd.DataFrame, target: str, dropped: dict[str, str]) -> None:
    """Drop columns that give away the target, and report columns that might."""
    task = proposal.parameters["task"]
    kinds = {name: column.kind for name, column in proposal.columns.items()}
    ignored = {*dropped, *cleaning.find_index_columns(frame)}
    rows = frame[[name for name in frame.columns if name not in ignored]]
    for leak in leakage.find_leaks(rows, target, task, kinds):
        proposal.leaks.append(tuple(map(str, leak.columns)))
        if leak.is_certain and len(leak.columns) < rows.shape[1] - 1:
            dropped |= {str(name): f"{_LEAK}{leak.describe(name)}" for name in leak.columns}
            rows = rows.drop(columns=list(leak.columns))
            proposal.add_finding(
                "leak", str(leak), "dropped; remove columns that are known at prediction time from drop_columns"
            )
        else:
            proposal.add_finding("possible leak", str(leak), _KEPT)
            rows = rows.drop(columns=list(leak.columns))  # so that the next search finds other leaks
    if rows.shape[1] > 1:
        for column in leakage.find_irreplaceable(rows, target, task, kinds):
            proposal.leaks.append((str(column.name),))
            proposal.add_finding("possible leak", str(column), _KEPT)


def _summarize_columns(
    proposal: Proposal, columns: Mapping[str, ColumnProfile], dropped: Mapping[str, str], ignored: Sequence[str]
) -> None:
    """Report the dropped columns, except for leaks, and the features with missing values."""
    no_leaks = {name: reason for name, reason in dropped.items() if not reason.startswith(_LEAK)}
    if no_leaks:
        proposal.add_finding("dropped", _join_reasons(no_leaks), "not used by any model")
    features = [column for name, column in columns.items() if name not in ignored]
    incomplete = sorted((column for column in features if column.missing), key=lambda column: -column.missing)
    if incomplete:
        shares = [f"{column.name} {column.missing / column.rows:.1%}" for column in incomplete[:_MAX_LISTED_COLUMNS]]
        more = f" and {len(incomplete) - len(shares)} more" if len(incomplete) > len(shares) else ""
        proposal.add_finding("missing values", ", ".join(shares) + more, "imputed if the model needs it")


def _list_kinds(proposal: Proposal, frame: pd.DataFrame, ignored: Sequence[str]) -> None:
    """Report the features by kind, as preprocessing, the models and the endpoint will read them."""
    schema = derive_feature_schema(frame.attrs.get(frames.SCHEMA), frame, ignored)
    proposal.kinds = {name: column.kind for name, column in schema.columns.items()}
    parts = []
    for kind in KINDS:
        names = [name for name, other in proposal.kinds.items() if other == kind]
        if names:
            more = ", ..." if len(names) > _MAX_LISTED_FEATURES else ""
            parts.append(f"{kind} ({len(names)}): {', '.join(map(str, names[:_MAX_LISTED_FEATURES]))}{more}")
    proposal.add_finding("features", "; ".join(parts), "encoded according to their kind")


def _join_reasons(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({reason})" for name, reason in reasons.items())
