"""A model that begins to fail after some answers, made from a sound one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

SOUND_CALLS = 60


class FailingModel:
    """An estimator that raises an error after some calls, as one does whose memory or licence runs out.

    Parameters
    ----------
    estimator : estimator
        The sound one.
    sound_calls : int
        Number of calls in each process that succeed.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> model = FailingModel(DummyClassifier().fit([[1], [2]], ["a", "a"]), sound_calls=1)
    >>> model.predict([[1]]).tolist()
    ['a']
    >>> model.predict([[1]])
    Traceback (most recent call last):
    ValueError: the simulated model fails
    """

    def __init__(self, estimator: Any, sound_calls: int):
        self.estimator, self.sound_calls = estimator, sound_calls
        self._call_count = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "estimator":
            raise AttributeError(name)
        return getattr(self.estimator, name)

    def predict(self, rows: Any) -> Any:
        """Return predictions, or raise a ValueError."""
        self._count_call()
        return self.estimator.predict(rows)

    def predict_proba(self, rows: Any) -> Any:
        """Return probabilities, or raise a ValueError."""
        self._count_call()
        return self.estimator.predict_proba(rows)

    def _count_call(self) -> None:
        self._call_count += 1
        if self._call_count > self.sound_calls:
            raise ValueError("the simulated model fails")


def make_failing_copy(model_folder: Path, copy: Path) -> None:
    """Copy a model folder, and replace its estimator by one that fails after `SOUND_CALLS` calls."""
    import cloudpickle

    from lib.scoring.model import find_estimator_file, load_model
    from lib.scoring.model_folder import write_sums

    shutil.copytree(model_folder, copy)
    for path in copy.glob("fast_model.*"):  # the endpoint would use it instead
        path.unlink()
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)  # the endpoint does not import this module
    try:
        content = cloudpickle.dumps(FailingModel(load_model(model_folder).estimator, SOUND_CALLS))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    find_estimator_file(copy).write_bytes(content)
    write_sums(copy)
