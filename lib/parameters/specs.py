"""Type and range of each parameter; ``parameters/base.yaml`` has its meaning and its default."""

from __future__ import annotations

from dataclasses import dataclass

from lib.metrics import TASKS


@dataclass(frozen=True)
class Spec:
    """Type and range of one parameter.

    Attributes
    ----------
    type : type
        ``str``, ``bool``, ``int``, ``float``, ``list`` (of strings), ``dict`` or ``object`` (any scalar).
    low, high : float or None
        Range, both ends included.
    choices : str or tuple of str
        The allowed values; for a list, the allowed elements. A string names a set of allowed values that is passed to
        `check`.
    pattern : str or None
        Regular expression that a string must match as a whole.
    pattern_meaning, example : str
        The pattern in words, and a string that matches the pattern, for messages.
    may_be_empty : bool
        Whether null, an empty string or an empty list is allowed.
    of_mappings : bool
        Whether the elements of a list are mappings instead of strings.
    words : tuple of str
        Texts that are allowed in place of the type.
    """

    type: type
    low: float | None = None
    high: float | None = None
    choices: str | tuple[str, ...] = ()
    pattern: str | None = None
    pattern_meaning: str = ""
    example: str = "bike-hours"
    may_be_empty: bool = False
    of_mappings: bool = False
    words: tuple[str, ...] = ()


# Parameters that the pipeline and its backend read in every stage.
COMMON = ("name", "pipeline", "options", "private_columns", "show_rows", "backend", "workspace", "run_name")

# Parameters that the azureml backend reads in every stage; no other backend reads them.
AZURE: dict[str, Spec] = {
    "azure_sdk": Spec(str, choices=("v1", "v2")),
    "subscription_id": Spec(
        str,
        pattern=r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        pattern_meaning="the id of a subscription",
        example="00000000-1111-2222-3333-444444444444",
        may_be_empty=True,
    ),
    "resource_group": Spec(str, may_be_empty=True),
    "workspace_name": Spec(str, may_be_empty=True),
    "tenant_id": Spec(str, may_be_empty=True),
    "location": Spec(str, may_be_empty=True),
    "datastore": Spec(
        str,
        pattern=r"[a-z0-9_]{1,255}",
        pattern_meaning="lowercase letters, digits and underscores",
        example="millrace",
    ),
    "datastore_has_key": Spec(bool),
    "storage_account": Spec(str, may_be_empty=True),
    "container": Spec(str, may_be_empty=True),
    "gpu_cluster": Spec(str, may_be_empty=True),
    "gpu_vm_size": Spec(str, may_be_empty=True),
    "cpu_cluster": Spec(str, may_be_empty=True),
    "max_nodes": Spec(int, low=1, high=100),
    "vm_priority": Spec(str, choices=("dedicated", "low_priority")),
    "idle_seconds": Spec(int, low=60, high=1800),
    "managed_identity": Spec(str, may_be_empty=True),
    "cluster_stages": Spec(list, choices=("preprocess", "train"), may_be_empty=True),
    "endpoint_instance_type": Spec(str),
    "max_cost_usd": Spec(float, low=0, high=1e6, may_be_empty=True),
    "expected_minutes": Spec(float, low=0.1, high=10_080),
    "prices_usd_per_hour": Spec(dict, may_be_empty=True),
}

SPECS: dict[str, Spec] = {
    # What to learn
    "name": Spec(
        str,
        pattern=r"[a-z][a-z0-9-]{1,30}[a-z0-9]",
        pattern_meaning="3 to 32 lowercase letters, digits and hyphens, starting with a letter",
    ),
    "pipeline": Spec(str, choices="pipeline"),
    "options": Spec(dict, may_be_empty=True),
    "data": Spec(str),
    "encoding": Spec(str, may_be_empty=True),
    "header": Spec(bool, may_be_empty=True),
    "schema": Spec(str, may_be_empty=True),
    "columns": Spec(dict, may_be_empty=True),
    "missing_values": Spec(list, may_be_empty=True),
    "not_missing": Spec(list, may_be_empty=True),
    "thousands": Spec(str, choices=(",", "."), may_be_empty=True),
    "time_zone": Spec(str, may_be_empty=True),
    "contract": Spec(str, may_be_empty=True),
    "on_violation": Spec(str, choices=("fail", "quarantine", "warn")),
    "target_column": Spec(str),
    "task": Spec(str, choices=TASKS),
    "positive_class": Spec(object, may_be_empty=True),
    "drop_columns": Spec(list, may_be_empty=True),
    "private_columns": Spec(list, may_be_empty=True),
    "show_rows": Spec(int, low=0, high=100),
    "key_columns": Spec(list, may_be_empty=True),
    "split": Spec(str, choices=("hash", "group", "time")),
    "month_first": Spec(bool),
    "time_column": Spec(str, may_be_empty=True),
    "time_cut": Spec(str, may_be_empty=True),
    "test_fraction": Spec(float, low=0.01, high=0.9),
    "seed": Spec(int, low=0, high=2**32 - 1),
    # Which models
    "training_functions": Spec(list, choices="training function"),
    "hyperparameters": Spec(dict, may_be_empty=True),
    "search_minutes": Spec(float, low=0.01, high=10_080),
    "primary_metric": Spec(str),
    "metrics": Spec(dict, may_be_empty=True),
    "cross_validation_folds": Spec(int, low=0, high=20),
    "calibration": Spec(str, choices=("auto", "isotonic", "venn_abers", "temperature", "none")),
    "threads": Spec(int, low=0, high=1024),
    "class_weight": Spec(dict, may_be_empty=True, words=("balanced",)),
    "weight_column": Spec(str, may_be_empty=True),
    "threshold": Spec(object),
    "costs": Spec(dict, may_be_empty=True),
    "cost_column": Spec(str, may_be_empty=True),
    "coverage": Spec(float, may_be_empty=True),
    "groups": Spec(list, may_be_empty=True),
    "min_score": Spec(float, may_be_empty=True),
    "promote_if": Spec(str, choices=("better", "not_worse")),
    "margin": Spec(float, low=0, high=1e300),
    "gates": Spec(dict, may_be_empty=True),
    "waivers": Spec(list, may_be_empty=True, of_mappings=True),
    "card": Spec(dict, may_be_empty=True),
    # The endpoint
    "endpoint_host": Spec(str),
    "endpoint_port": Spec(int, low=0, high=65535),
    "endpoint_allowed_hosts": Spec(list, may_be_empty=True),
    "endpoint_timeout_seconds": Spec(float, low=1, high=3600),
    "smoke_rows": Spec(int, low=1, high=1000),
    "smoke_tolerance": Spec(float, low=0, high=0.01),
    "endpoint_workers": Spec(int, low=1, high=64),
    "endpoint_traffic_percent": Spec(float, low=0, high=100),
    "endpoint_mirror_percent": Spec(float, low=0, high=100),
    "endpoint_max_error_rate": Spec(float, low=0, high=1),
    "endpoint_p95_latency_ms": Spec(float, low=1, high=3_600_000),
    "endpoint_watch_minutes": Spec(float, low=0, high=100_000),
    "request_log": Spec(bool),
    "request_log_columns": Spec(list, may_be_empty=True),
    "request_log_megabytes": Spec(float, low=1, high=1_000_000),
    # Monitoring
    "monitor_window_days": Spec(int, low=1, high=366),
    "alarm_rate": Spec(float, low=0.0001, high=0.2),
    "on_verdict": Spec(str, choices=("tell", "retrain", "hold")),
    "labels": Spec(dict, may_be_empty=True),
    # Where it runs
    "engine": Spec(str, choices=("memory", "dask")),
    "scheduler_address": Spec(str, may_be_empty=True),
    "backend": Spec(str, choices="backend"),
    "workspace": Spec(str),
    "runs_folder": Spec(str),
    "run_name": Spec(str, may_be_empty=True),
    "fork_kernels": Spec(bool),
    "max_parallel_notebooks": Spec(int, low=0, high=1024),
    "stages": Spec(dict, may_be_empty=True),
    "timeout_minutes": Spec(dict, may_be_empty=True),
    "retries": Spec(dict, may_be_empty=True),
    "notify": Spec(dict, may_be_empty=True),
    "signing_key": Spec(str, may_be_empty=True),
    # AutoML
    "automl": Spec(bool),
    "automl_engine": Spec(str, choices="automl engine"),
    "automl_presets": Spec(
        str,
        choices=("best_quality", "high_quality", "good_quality", "medium_quality"),
        may_be_empty=True,
    ),
    "automl_budget_minutes": Spec(float, low=0.1, high=10_080),
    "automl_memory_gb": Spec(float, low=0, high=100_000),
    "max_trials": Spec(int, low=1, high=1000),
    "allowed_models": Spec(list, may_be_empty=True),
    "blocked_models": Spec(list, may_be_empty=True),
    "n_cross_validations": Spec(int, low=0, high=20),
    "validation_fraction": Spec(float, low=0, high=0.5),
    "ensemble": Spec(bool),
    "max_latency_ms": Spec(float, low=0, high=3_600_000),
    # Azure Machine Learning
    **AZURE,
}
