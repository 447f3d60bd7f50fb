"""Training functions: this package is their catalogue, one module each.

A training function is a function ``train`` in a module of its own, here or in ``custom/training``::

    def train(X, y, request, *, some_hyperparameter=100):
        ...
        return pipeline        # a fitted sklearn.pipeline.Pipeline that takes the raw columns

Its hyperparameters are its keyword-only arguments; users set them under ``hyperparameters:`` in their parameter file.
``extra_trees.py`` is the example to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib import catalogue
from lib.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from lib.metrics import Metric
    from lib.schema.table_schema import TableSchema
    from lib.training.features import TableEncoder


@dataclass(frozen=True)
class TrainingRequest:
    """The task that a training function receives, besides the rows and the hyperparameters.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
    metric : Metric
        The primary metric, for functions that use it to tune or to stop early.
    seed : int
        Seed for repeatable results.
    threads : int
        Maximum number of threads for the fit, at least 1.
    month_first : bool
        Whether ``03/04/2005`` is March 4th, in a column where every date is as ambiguous as this one.
    schema : TableSchema or None
        How each column is read. Columns without a schema are inferred from the training rows.
    class_weight : "balanced", mapping of str to float, or None
        Weights of the rows by class, see `sample_weights`; None for equal weights.
    row_weights : ndarray of shape (rows,) or None
        Weight of each row of this fit; None for equal weights.
    """

    task: str
    metric: Metric
    seed: int
    threads: int
    month_first: bool = False
    schema: TableSchema | None = None
    class_weight: str | Mapping[str, float] | None = None
    row_weights: np.ndarray | None = None

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task != "regression"

    def sample_weights(self, y: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray | None:
        """Return the weight of each row for the fit, of shape (rows,); None if all rows have the same.

        Parameters
        ----------
        y : ndarray of shape (rows,)
            Target of the rows. With ``"balanced"``, all classes get the same total weight; classes that a mapping does
            not name have the weight 1. They are multiplied by `row_weights`.
        rows : ndarray of int, of shape (rows,), optional
            Positions of these rows among those of `row_weights`; all of them by default.
        """
        own = self.row_weights if self.row_weights is None or rows is None else self.row_weights[rows]
        by_class = self._class_weights(y)
        if own is None or by_class is None:
            return by_class if own is None else own
        return own * by_class

    def _class_weights(self, y: np.ndarray) -> np.ndarray | None:
        """Return the weight of each row by its class; None without `class_weight`."""
        if not self.class_weight:
            return None
        import numpy as np
        from sklearn.utils.class_weight import compute_sample_weight

        if isinstance(self.class_weight, str):
            return compute_sample_weight(self.class_weight, y)
        weights = {label: self.class_weight.get(str(label), 1.0) for label in np.unique(y).tolist()}
        return compute_sample_weight(weights, y)


def available(is_bundled: bool = False) -> list[str]:
    """Return the names of all training functions; with `is_bundled`, only of those that come with Millrace."""
    return catalogue.names(__name__, is_bundled=is_bundled)


def get(name: str) -> Callable[..., Pipeline]:
    """Return the training function with this name.

    Raises
    ------
    NameNotFound
        If there is no such function; the message gives the nearest name.
    CodeError
        If the customer's module of this name cannot be used.

    Examples
    --------
    >>> get("linear").__module__
    'lib.training.linear'
    """
    return catalogue.load_object(__name__, name, "training function", "train")


def make_encoder(request: TrainingRequest, model_kind: str = "trees") -> TableEncoder:
    """Return an unfitted encoder that turns raw columns into features.

    Parameters
    ----------
    request : TrainingRequest
    model_kind : {"trees", "linear"}
        Kind of model that learns from the features. For ``"trees"``, missing values are kept, and categories are
        replaced by their index. For ``"linear"``, missing values are imputed and marked, numbers are scaled, and
        categories are encoded one-hot.
    """
    from lib.training.features import TableEncoder

    return TableEncoder(
        model_kind, request.is_classification, request.seed, month_first=request.month_first, schema=request.schema
    )


def fit_pipeline(
    model: Any, X: pd.DataFrame, y: pd.Series, request: TrainingRequest, model_kind: str = "trees"
) -> Pipeline:
    """Fit an encoder and a model, as most training functions do.

    Parameters
    ----------
    model : scikit-learn estimator
        Unfitted.
    X : pandas.DataFrame of shape (rows, columns)
        Raw columns, without the target.
    y : pandas.Series of shape (rows,)
        Target, without missing values.
    request : TrainingRequest
    model_kind : {"trees", "linear"}
        Kind of the model; see `make_encoder`.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted, with the steps ``encoder`` and ``model``; takes the raw columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from lib import metrics
    >>> request = TrainingRequest("binary", metrics.get("accuracy", "binary"), seed=0, threads=1)
    >>> X, y = pd.DataFrame({"city": ["Oslo", "Rome"] * 4}), pd.Series(["cold", "warm"] * 4)
    >>> fit_pipeline(DecisionTreeClassifier(), X, y, request).predict(pd.DataFrame({"city": ["Rome"]})).tolist()
    ['warm']
    """
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    from lib.training.features import target_array

    pipeline = Pipeline([("encoder", make_encoder(request, model_kind)), ("model", model)])
    target = target_array(y, request.is_classification)
    weights = request.sample_weights(target)
    if weights is not None and not has_fit_parameter(model, "sample_weight"):
        name = "weight_column" if request.row_weights is not None else "class_weight"
        raise ParameterError(f"{name}: {type(model).__name__} cannot be trained with weights. Leave it empty.")
    return pipeline.fit(X, target, **({} if weights is None else {"model__sample_weight": weights}))
