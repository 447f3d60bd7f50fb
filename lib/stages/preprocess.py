"""The preprocess stage: turns the table into training rows, test rows and a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lib import charts
from lib.schema.table_schema import FEATURE_SCHEMA, TABLE_SCHEMA
from lib.secrets import private_values
from lib.stages import _train_test
from lib.stages._facts import describe_table
from lib.stages._results import Figures, StageResult, make_title
from lib.stages.preprocessing import contracts, engines, prepared_table, sides, split_plan
from lib.stages.preprocessing.parts import PreprocessHooks
from lib.stages.preprocessing.sizes import Sizes
from lib.tables.feature_schema import derive_feature_schema
from lib.tables.quality import privacy
from lib.tables.quality.privacy import list_distinct
from lib.tables.quality.text_ranges import find_text_ranges

if TYPE_CHECKING:
    import pandas as pd

    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.schema.table_schema import TableSchema
    from lib.stages.preprocessing.engine import Engine
    from lib.stages.preprocessing.prepared_table import PreparedTable
    from lib.stages.preprocessing.sides import Sides
    from lib.stages.preprocessing.split_plan import SplitPlan


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
    "groups",
    "weight_column",
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
        Type, kind, missing values and distinct values of each column of the training rows, and ``show_rows`` rows.
    balance : Chart
        Distribution of the target over the training rows.
    task : {"binary", "multiclass", "regression"}
    facts : mapping
        Sizes, and statistics of the training rows.
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
    facts: Mapping[str, Any] = field(default_factory=dict)

    def main_table(self) -> charts.Table:
        """Return the rows and columns after each step."""
        return self.sizes

    @property
    def figures(self) -> Figures:
        """The distribution of the target, with a caption for the task."""
        return Figures((self.balance, _BALANCE_CAPTIONS[self.task]))


def run(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> Preprocessed:
    """Read, check, clean, prepare and split the table, and describe its training rows.

    The steps are the same with both engines: in memory the table is one part, on a Dask cluster it has many.

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
    ParameterError
        If the pipeline does not work with the engine.
    StageError
        If a hook does not return a DataFrame.
    """
    with engines.open_engine(hooks, backend, parameters) as engine, ThreadPoolExecutor(2) as executor:
        sizes = Sizes()
        _remember_private_values(engine, parameters)
        sizes.add_reading(engine.reading, parameters)
        index_columns = prepared_table.find_index_columns(engine, parameters)
        contract = contracts.apply(engine, parameters)
        sizes.add_quarantine(engine.reading, contract.quarantined, contract.quarantine)
        table = prepared_table.prepare(engine, index_columns, parameters)
        sizes.add_prepared(table)
        schema = _derive_schema(engine, table, parameters)
        plan = split_plan.plan(table.summaries, table.conversion, engine, parameters)
        sizes.add_plan(plan)
        split = sides.Sides.from_parts(engine.split(plan.rule, table.summaries))
        sides.check(split, plan, parameters)
        write = engine.write(executor)
        train = engine.training_rows()
        sizes.add_sides(split, plan, train, parameters)
        baseline = _make_baseline(hooks, train, split, plan)
        limits = contracts.limits_of_values(parameters)
        if limits:
            baseline["contract"] = {name: limits[name] for name in limits if name not in parameters.private_columns}
        if statistics := baseline.get("columns"):
            ranges = {name: statistics.get(name, {}) | ends for name, ends in find_text_ranges(train, schema).items()}
            baseline["columns"] = {**statistics, **ranges}
        baseline = privacy.hide_values(baseline, parameters.private_columns)
        baseline |= contract.to_baseline()
        baseline |= {TABLE_SCHEMA: engine.reading.schema, FEATURE_SCHEMA: schema.to_dict()}
        columns = charts.Table(
            _train_test.describe_columns(train, schema, parameters.show_rows, parameters.private_columns)
        )
        balance = charts.target_distribution(train[parameters.target_column], parameters.task)
        outputs = write()
    charts.label(sizes_table := sizes.to_table(), "Rows and columns after each step")
    charts.label(contract.violations, "Violations of the data contract")
    charts.label(columns, "Columns of the training rows")
    charts.label(balance, "Distribution of the target", _BALANCE_CAPTIONS[parameters.task])
    facts = describe_table(baseline, engine.reading.rows, len(split.test), parameters.target_column)
    # Models must not see these columns. A split rule needs them to find the test rows of earlier models.
    baseline |= {"train_keys": outputs.train_keys, "test_keys": outputs.test_keys}
    return Preprocessed(
        title=make_title("Preprocess", parameters),
        verdict=_make_verdict(split, parameters),
        task=parameters.task,
        train_data=outputs.train_data,
        test_data=outputs.test_data,
        baseline=backend.write_json(baseline, f"{outputs.folder}/baseline.json"),
        sizes=sizes_table,
        violations=contract.violations,
        columns=columns,
        balance=balance,
        facts={
            **facts,
            "contract": parameters.contract or "",
            "broken_rules": int((contract.violations["to_allow"] != "").sum()),
        },
    )


def _remember_private_values(engine: Engine, parameters: Parameters) -> None:
    """Remember the values of private columns, so that no message of this kernel shows them."""
    if parameters.private_columns:
        for values in engine.map_rows(partial(list_distinct, columns=parameters.private_columns)):
            private_values.remember(values)


def _derive_schema(engine: Engine, table: PreparedTable, parameters: Parameters) -> TableSchema:
    """Return the schema of the columns that models see."""
    exclude = [parameters.target_column, *split_plan.hidden_columns(parameters)]
    rows = engine.prepared_rows()
    return derive_feature_schema(engine.reading.schema, rows, exclude, parameters.month_first, table.durations)


def _make_baseline(hooks: PreprocessHooks, train: pd.DataFrame, split: Sides, plan: SplitPlan) -> dict[str, Any]:
    """Return the pipeline's statistics, and the rule of the split if the rows follow it."""
    statistics = hooks.baseline(train)
    if len(train) < len(split.train):
        statistics = {**statistics, "rows": len(split.train)}
    return {**statistics, "split": plan.rule.to_dict() if split.is_split_by_rule else None}


def _make_verdict(split: Sides, parameters: Parameters) -> str:
    features, target = len(split.columns) - 1, parameters.target_column
    columns = "1 column" if features == 1 else f"{features:,} columns"
    return f"{len(split.train):,} training rows and {len(split.test):,} test rows with {columns} to predict {target}."
