"""The preprocess stage: turns the table into training rows, test rows and a baseline."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from lib import charts
from lib.errors import DataError, StageError
from lib.schema.table_schema import FEATURE_SCHEMA, TABLE_SCHEMA
from lib.stages import _contracts as contracts
from lib.stages import _splitting, _train_test
from lib.stages._results import Figures, StageResult, title
from lib.stages._splitting import split_columns
from lib.tables import cleaning, frames
from lib.tables.feature_schema import derive_feature_schema
from lib.tables.quality import leakage

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.schema.table_schema import TableSchema
    from lib.tables.split.rules import SplitRule


# Use-case parameters that this stage reads, besides the common ones. Changing one of them reruns the stage.
PARAMETERS = (
    "data",
    "encoding",
    "header",
    "schema",
    "columns",
    "missing_values",
    "not_missing",
    "thousands",
    "time_zone",
    "contract",
    "on_violation",
    "target_column",
    "task",
    "drop_columns",
    "key_columns",
    "split",
    "month_first",
    "time_column",
    "time_cut",
    "test_fraction",
    "seed",
    "engine",
    "scheduler_address",
)

_BALANCE_CAPTIONS = {
    "binary": (
        "Training rows per class. If one class is rare, accuracy is misleading: compare precision, recall and their "
        "curve."
    ),
    "multiclass": (
        "Training rows per class. If some classes are rare, accuracy is misleading: prefer metrics that weight all "
        "classes equally, such as f1_macro."
    ),
    "regression": (
        "Distribution of the target over the training rows. A long tail dominates squared errors: compare the mean "
        "absolute error too."
    ),
}

# A row of the table of sizes: step, rows, columns, details.
_Step = tuple[str, int, int, str]


class PreprocessHooks(Protocol):
    """The methods of a pipeline that this stage calls."""

    def load_data(self) -> pd.DataFrame:
        """Return the raw table."""

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the table to learn from, including the target."""

    def split_data(self, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return training rows and test rows."""

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Return statistics of the training rows."""


@dataclass(frozen=True, repr=False)
class Preprocessed(StageResult):
    """Outputs of the stage, and the tables and charts of its notebook.

    Attributes
    ----------
    title, verdict : str
    train_data, test_data, baseline : str
        URIs of two Parquet tables and one JSON file.
    sizes : Table
        Rows and columns after each step, and details such as the dropped columns.
    violations : Table
        The contract rules that the table breaks.
    columns : Table
        Type, kind, missing values, distinct values and first values of each column of the training rows.
    balance : Chart
        Distribution of the target over the training rows.
    task : {"binary", "multiclass", "regression"}
    """

    title: str
    verdict: str
    train_data: str
    test_data: str
    baseline: str
    sizes: charts.Table
    violations: charts.Table
    columns: charts.Table
    balance: charts.Chart
    task: str

    def main_table(self) -> charts.Table:
        """Return the rows and columns after each step."""
        return self.sizes

    @property
    def figures(self) -> Figures:
        """The distribution of the target, with a caption for the task."""
        return Figures((self.balance, _BALANCE_CAPTIONS[self.task]))


def run(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> Preprocessed:
    """Read, check, clean, prepare and split the table, and describe its training rows.

    Parameters
    ----------
    hooks : PreprocessHooks
        The pipeline.
    backend : Backend
    parameters : Parameters

    Returns
    -------
    Preprocessed

    Raises
    ------
    DataError
        If the table does not fit the parameters or breaks its contract.
    NameNotFound
        If a parameter names a column that does not exist.
    StageError
        If a hook does not return a DataFrame.
    """
    if parameters.engine == "dask":
        return _run_on_cluster(hooks, backend, parameters)
    frame, read_step = _load(hooks, parameters)
    schema = frame.attrs.get(frames.SCHEMA)
    steps = [read_step]

    rows_read = len(frame)
    frame, violations, quarantine_uri = contracts.apply(frame, backend, parameters)
    if quarantine_uri:
        steps.append(_quarantine_step(rows_read - len(frame), frame.shape[1], quarantine_uri))

    frame, dropped = _drop_unused_columns(frame, parameters)
    steps.append(("dropped columns", len(frame), frame.shape[1], ", ".join(dropped) or "none"))

    prepared, notes = clean(hooks.prepare_data(frame), parameters)
    del frame
    feature_schema = _derive_schema(schema, prepared, parameters)  # `split_data` empties the table to save memory
    prepared_rows = len(prepared)
    steps.append(_prepare_step(prepared_rows, prepared.shape[1], notes))

    plan = _splitting.plan(prepared, parameters)
    rule = plan.rule
    for step, note in (("duplicates", plan.duplicates), ("groups", plan.entities)):
        if note:
            steps.append((step, prepared_rows, prepared.shape[1], note))
    train, test = hooks.split_data(prepared, rule)
    del prepared
    follows_rule = rule.matches(train, test)  # an overridden split_data may ignore the rule
    train, test, test_keys = _remove_hidden_columns(train, test, parameters)
    _train_test.check(train, test, parameters.target_column, parameters.task)
    split_note = plan.description if follows_rule else "by the pipeline's split_data"
    test_notes = [
        _splitting.describe_share(len(train), len(test), plan if follows_rule else None, parameters),
        _splitting.describe_targets(train[parameters.target_column], test[parameters.target_column], parameters.task),
        _train_test.describe_few_rows(train, test, parameters),
    ]
    test_note = " ".join(filter(None, test_notes))
    steps += [("train", len(train), train.shape[1], split_note), ("test", len(test), test.shape[1], test_note)]

    folder = f"{parameters.name}/{_train_test.fingerprint(train, test)}"
    with ThreadPoolExecutor(2) as executor:  # Arrow releases the GIL while it writes
        train_uri = executor.submit(backend.write_table, train, f"{folder}/train.parquet")
        test_uri = executor.submit(backend.write_table, test, f"{folder}/test.parquet")
        baseline = {**hooks.baseline(train), "split": rule.to_dict() if follows_rule else None}
        baseline |= {TABLE_SCHEMA: schema, FEATURE_SCHEMA: feature_schema.to_dict()}
        columns, balance = _describe_rows(train, feature_schema, parameters)
        steps += _leak_steps(train, len(train), parameters)
    # Models must not see these columns, but a split rule needs them to find the test rows of earlier models.
    baseline["test_keys"] = None if test_keys is None else backend.write_table(test_keys, f"{folder}/test_keys.parquet")
    return Preprocessed(
        title=title("Preprocess", parameters),
        verdict=_make_verdict(len(train), len(test), train.shape[1] - 1, parameters),
        task=parameters.task,
        train_data=train_uri.result(),
        test_data=test_uri.result(),
        baseline=backend.write_json(baseline, f"{folder}/baseline.json"),
        sizes=_make_sizes(steps),
        violations=violations,
        columns=columns,
        balance=balance,
    )


def clean(prepared: Any, parameters: Parameters) -> tuple[pd.DataFrame, list[str]]:
    """Drop rows without a target, and convert all values to types that a request can contain.

    Parameters
    ----------
    prepared : object
        What the pipeline's ``prepare_data`` returned.
    parameters : Parameters

    Returns
    -------
    frame : DataFrame
    notes : list of str
        A sentence about each change.

    Raises
    ------
    DataError
        If the table has no rows, several columns of one name or an unsuitable target.
    StageError
        If it is not a DataFrame.
    """
    _check_prepared(prepared)
    frame, target_notes = cleaning.prepare_target(prepared, parameters.target_column, parameters.task)
    frame, type_notes = cleaning.to_json_types(frame)
    frame, infinity_notes = cleaning.replace_infinite(frame)
    return frame, [*target_notes, *type_notes, *infinity_notes]


def _run_on_cluster(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> Preprocessed:
    """Preprocess the partitions of the table on a Dask cluster, and describe a sample of their training rows."""
    from lib.stages import _partitions

    result = _partitions.run(hooks, backend, parameters)
    sample, rows = result.sample, result.rows
    prepared_rows = rows["train"] + rows["test"]
    columns_read, train_columns = result.columns_read, sample.shape[1]
    read_note = f"{parameters.data}, in {result.partitions} partitions on a Dask cluster"
    plan = result.plan if result.follows_rule else None
    split_note = plan.description if plan else "by the pipeline's split_data"
    test_note = _splitting.describe_share(rows["train"], rows["test"], plan, parameters)

    steps: list[_Step] = [("read", rows["read"], columns_read, read_note)]
    if rows["quarantined"]:
        steps.append(_quarantine_step(rows["quarantined"], columns_read, f"{result.folder}/quarantine"))
    steps += [
        _prepare_step(prepared_rows, train_columns, result.notes),
        ("train", rows["train"], train_columns, split_note),
        ("test", rows["test"], train_columns, test_note),
        *_leak_steps(sample, rows["train"], parameters),
    ]
    feature_schema = _derive_schema(result.schema, sample, parameters)
    baseline = {
        **hooks.baseline(sample),
        "rows": rows["train"],
        "split": plan.rule.to_dict() if plan else None,
        TABLE_SCHEMA: result.schema,
        FEATURE_SCHEMA: feature_schema.to_dict(),
        "test_keys": result.test_keys,
    }
    columns, balance = _describe_rows(sample, feature_schema, parameters)
    return Preprocessed(
        title=title("Preprocess", parameters),
        verdict=_make_verdict(rows["train"], rows["test"], train_columns - 1, parameters),
        task=parameters.task,
        train_data=result.train_data,
        test_data=result.test_data,
        baseline=backend.write_json(baseline, f"{result.folder}/baseline.json"),
        sizes=_make_sizes(steps),
        violations=result.violations,
        columns=columns,
        balance=balance,
    )


def _load(hooks: PreprocessHooks, parameters: Parameters) -> tuple[pd.DataFrame, _Step]:
    """Return the raw table with unique column names, and the "read" step with all notes about reading."""
    frame = hooks.load_data()
    if not isinstance(frame, pd.DataFrame):
        raise StageError(f"load_data returned {type(frame).__name__}; expected a DataFrame. Does it end with return?")
    named_columns = [parameters.target_column, *parameters.drop_columns, *split_columns(parameters)]
    frame, name_notes = cleaning.deduplicate_columns(frame, named_columns)
    unread = frame.attrs.get(frames.UNREAD, [])
    notes = " ".join([f"{parameters.data}.", *frame.attrs.get(frames.NOTES, []), *name_notes])
    return frame, ("read", len(frame), frame.shape[1] + len(unread), notes)


def _drop_unused_columns(frame: pd.DataFrame, parameters: Parameters) -> tuple[pd.DataFrame, list[str]]:
    """Drop `drop_columns` and saved indexes, and return the names of both.

    Columns that decide the split stay until the rows are split.
    """
    kept = split_columns(parameters)
    unread = frame.attrs.get(frames.UNREAD, [])
    index_columns = [name for name in cleaning.find_index_columns(frame) if name not in kept]
    unused = [name for name in parameters.drop_columns if name not in (*kept, *unread)]
    frame = cleaning.drop_columns(frame, unused, where=parameters.data)
    # An index column that is also one of drop_columns is gone by now.
    unused_indexes = [name for name in index_columns if name in frame.columns]
    frame = cleaning.drop_columns(frame, unused_indexes, where=parameters.data)
    return frame, [*parameters.drop_columns, *index_columns]


def _check_prepared(prepared: Any) -> None:
    """Raise if `prepare_data` returned no DataFrame, no rows or several columns of one name."""
    if not isinstance(prepared, pd.DataFrame):
        raise StageError(
            f"prepare_data returned {type(prepared).__name__}; expected a DataFrame. Does it end with return?"
        )
    if not len(prepared):
        raise DataError("prepare_data returned no rows; expected at least one. Check its filters.")
    duplicates = sorted(set(prepared.columns[prepared.columns.duplicated()]))
    if duplicates:
        names = ", ".join(map(repr, duplicates))
        raise DataError(f"prepare_data returned several columns named {names}; expected unique names. Rename them.")


def _remove_hidden_columns(
    train: pd.DataFrame, test: pd.DataFrame, parameters: Parameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]:
    """Drop the columns that were kept only for the split.

    Returns
    -------
    train, test : DataFrame
    test_keys : DataFrame or None
        These columns of the test rows; None if there are no such columns.
    """
    hidden = _splitting.hidden_columns(parameters)
    test_keys = test[hidden] if hidden else None
    train, test = (cleaning.drop_columns(rows, hidden, where="the prepared table") for rows in (train, test))
    return train, test, test_keys


def _derive_schema(schema: dict[str, Any] | None, prepared: pd.DataFrame, parameters: Parameters) -> TableSchema:
    """Return the schema of the columns that models see."""
    exclude = [parameters.target_column, *_splitting.hidden_columns(parameters)]
    return derive_feature_schema(schema, prepared, exclude, parameters.month_first)


def _describe_rows(
    train: pd.DataFrame, schema: TableSchema, parameters: Parameters
) -> tuple[charts.Table, charts.Chart]:
    """Return the table of the columns and the chart of the target."""
    columns = charts.Table(_train_test.describe_columns(train, schema))
    return columns, charts.target_distribution(train[parameters.target_column], parameters.task)


def _quarantine_step(rows: int, columns: int, uri: str) -> _Step:
    return "quarantined", rows, columns, f"These rows break the contract and were saved to {uri}"


def _prepare_step(rows: int, columns: int, notes: list[str]) -> _Step:
    return "prepared", rows, columns, " ".join(notes) or "as returned by prepare_data"


def _leak_steps(train: pd.DataFrame, train_rows: int, parameters: Parameters) -> list[_Step]:
    """Return a step that names the columns that leak the target, if there are any."""
    note = leakage.describe_leaks(train, parameters.target_column, parameters.task)
    return [("leak", train_rows, train.shape[1], note)] if note else []


def _make_sizes(steps: list[_Step]) -> charts.Table:
    return charts.Table(steps, columns=["step", "rows", "columns", "details"]).set_index("step")


def _make_verdict(train_rows: int, test_rows: int, features: int, parameters: Parameters) -> str:
    columns, target = "1 column" if features == 1 else f"{features:,} columns", parameters.target_column
    return f"{train_rows:,} training rows and {test_rows:,} test rows with {columns} to predict {target}."
