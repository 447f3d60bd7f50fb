"""AutoGluon's predictor as a scikit-learn estimator that can be pickled.

The file travels with a model, so it imports nothing else of ``lib``.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class AutoGluonModel(BaseEstimator):
    """An AutoGluon predictor, stored as an archive of its folder and unpacked on first use.

    Parameters
    ----------
    archive : bytes
        The folder as a ZIP file.
    categories : list of int
        Positions of the categories among the features.
    """

    def __init__(self, archive: bytes, categories: list[int]):
        self.archive = archive
        self.categories = categories

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_predictor"}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> AutoGluonModel:
        """Do nothing: the predictor is fitted already."""
        return self

    @property
    def predictor(self) -> Any:
        """The predictor, in memory."""
        if not hasattr(self, "_predictor"):
            from autogluon.tabular import TabularPredictor

            with tempfile.TemporaryDirectory(prefix="millrace-automl-") as folder:
                zipfile.ZipFile(io.BytesIO(self.archive)).extractall(folder)
                predictor = TabularPredictor.load(folder, verbosity=0)
                predictor.persist()
            self._predictor = predictor
        return self._predictor


class AutoGluonClassifier(ClassifierMixin, AutoGluonModel):
    """An AutoGluon predictor of classes.

    Parameters
    ----------
    archive : bytes
    categories : list of int
    classes : numpy.ndarray
        All classes.
    """

    def __init__(self, archive: bytes, categories: list[int], classes: np.ndarray):
        super().__init__(archive, categories)
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities of shape (rows, classes)."""
        frame = self.predictor.predict_proba(name_features(features, self.categories))
        probabilities = frame.reindex(columns=range(len(self.classes))).to_numpy(dtype=float)
        probabilities = np.nan_to_num(probabilities)  # AutoGluon drops classes with too few rows
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the most likely class of each row."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


class AutoGluonRegressor(RegressorMixin, AutoGluonModel):
    """An AutoGluon predictor of numbers."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return predictions of shape (rows,)."""
        return self.predictor.predict(name_features(features, self.categories)).to_numpy(dtype=float)


def name_features(features: np.ndarray, categories: list[int]) -> pd.DataFrame:
    """Return features as a DataFrame with column names and categorical columns.

    Examples
    --------
    >>> name_features(np.array([[0.5, 2.0], [0.25, np.nan]]), categories=[1])
         f0   f1
    0  0.50   l2
    1  0.25  NaN
    """
    frame = pd.DataFrame(features, columns=[f"f{position}" for position in range(features.shape[1])])
    for position in categories:
        column = f"f{position}"
        # Texts, because AutoGluon treats whole numbers as numbers.
        frame[column] = frame[column].map("l{:.0f}".format, na_action="ignore").astype("category")
    return frame


def pack_predictor(predictor: Any, best: str, folder: Path) -> bytes:
    """Return the ZIP file of a predictor with nothing but the best model.

    Parameters
    ----------
    predictor : autogluon.tabular.TabularPredictor
        Fitted.
    best : str
        Name of the best model.
    folder : Path
        A folder for temporary files.
    """
    deployment = Path(predictor.clone_for_deployment(str(folder / "deployment"), model=best))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(deployment.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(deployment))
    return buffer.getvalue()
