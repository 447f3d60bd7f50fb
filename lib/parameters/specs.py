"""What each parameter may be. What it means and its default stand in ``parameters/base.yaml``."""

from __future__ import annotations

from dataclasses import dataclass

from lib.metrics import TASKS


@dataclass(frozen=True)
class Spec:
    """What one parameter may be.

    Attributes
    ----------
    type : type
        ``str``, ``bool``, ``int``, ``float``, ``list`` (of texts), ``dict`` or ``object`` (a plain value).
    low, high : float or None
        Range, both ends included.
    choices : str or tuple of str
        The values it may have (for a list, each of its elements): themselves, or the name of a set of
        choices that the caller of `check` gives.
    pattern : str or None
        Regular expression that a text must match as a whole, and its meaning in `pattern_meaning`.
    may_be_empty : bool
        Whether null, an empty text or an empty list is allowed.
    """

    type: type
    low: float | None = None
    high: float | None = None
    choices: str | tuple[str, ...] = ()
    pattern: str | None = None
    pattern_meaning: str = ""
    may_be_empty: bool = False


SPECS: dict[str, Spec] = {
    # What to learn
    "name": Spec(
        str,
        pattern=r"[a-z][a-z0-9-]{1,30}[a-z0-9]",
        pattern_meaning="3 to 32 small letters, digits and hyphens, starting with a letter",
    ),
    "pipeline": Spec(str, choices="pipeline"),
    "options": Spec(dict, may_be_empty=True),
    "data": Spec(str),
    "contract": Spec(str, may_be_empty=True),
    "on_violation": Spec(str, choices=("fail", "quarantine", "warn")),
    "target_column": Spec(str),
    "task": Spec(str, choices=TASKS),
    "positive_class": Spec(object, may_be_empty=True),
    "drop_columns": Spec(list, may_be_empty=True),
    "key_columns": Spec(list, may_be_empty=True),
    "split": Spec(str, choices=("hash", "group", "time")),
    "time_column": Spec(str, may_be_empty=True),
    "time_cut": Spec(str, may_be_empty=True),
    "test_fraction": Spec(float, low=0.01, high=0.9),
    "seed": Spec(int, low=0, high=2**32 - 1),
    # Which models
    "training_functions": Spec(list, choices="training function"),
    "hyperparameters": Spec(dict, may_be_empty=True),
    "primary_metric": Spec(str),
    "cross_validation_folds": Spec(int, low=0, high=20),
    "threads": Spec(int, low=0, high=1024),
    "min_score": Spec(float, may_be_empty=True),
    # The endpoint
    "endpoint_host": Spec(str),
    "endpoint_port": Spec(int, low=0, high=65535),
    "endpoint_timeout_seconds": Spec(float, low=1, high=3600),
    "smoke_rows": Spec(int, low=1, high=1000),
    # Where it runs
    "engine": Spec(str, choices=("memory", "dask")),
    "scheduler_address": Spec(str, may_be_empty=True),
    "backend": Spec(str, choices="backend"),
    "workspace": Spec(str),
    "runs_folder": Spec(str),
    "fork_kernels": Spec(bool),
}
