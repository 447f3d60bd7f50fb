"""Training rows and test rows: what must hold of them, what is told of them, and their name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib import cores
from lib.data import tables
from lib.errors import DataError

if TYPE_CHECKING:
    from lib.parameters import Parameters

_SAMPLE_ROWS = 3
_COUNTED_ROWS = 100_000
_FEW_TEST_ROWS = 10
_WEIGHTS = np.random.default_rng(0).integers(0, 2**63, 1024, dtype=np.uint64) * 2 + 1


def check(train: pd.DataFrame, test: pd.DataFrame, target: str, task: str) -> None:
    """Both sides need what training and scoring need; a rare class can be on one side only, two never."""
    for side, rows in (("training", train), ("test", test)):
        if rows.empty:  # a rule says so itself; a pipeline's own split_data may not
            raise DataError(f"No row is left on the {side} side. Look at what split_data returns.")
    if train.shape[1] < 2:
        raise DataError(f"Only the target {target} is left of the table; there is nothing to predict it from.")
    if task == "regression":
        return
    for side, rows in (("training", train), ("test", test)):
        classes = tables.count_values(rows[target]).index
        if len(classes) < 2:
            raise DataError(
                f"The {len(rows)} {side} rows are all {target} = {classes[0]!r}. Give more rows, or another "
                "test_fraction or seed."
            )


def told_of_few(train: pd.DataFrame, test: pd.DataFrame, parameters: Parameters) -> str:
    """A warning of scores that so few rows cannot bear."""
    if parameters.task != "regression":
        in_training, counts = (tables.count_values(rows[parameters.target_column]) for rows in (train, test))
        counts = counts.reindex(in_training.index, fill_value=0)
        few = counts[counts < _FEW_TEST_ROWS]
        if len(few):
            named = ", ".join(f"{name!r} ({count})" for name, count in few.head(5).items())
            return f"Scores of classes with so few test rows prove little: {named}."
    elif len(test) < _FEW_TEST_ROWS:
        return "So few test rows prove little."
    return ""


def columns(train: pd.DataFrame) -> pd.DataFrame:
    # How many values differ takes longest to count, and a hundred thousand rows show it.
    some = train.head(_COUNTED_ROWS)
    more = "" if len(some) == len(train) else f" in {len(some):,}"
    counts = cores.map_threads(
        lambda name: (np.count_nonzero(train[name].isna()), _distinct(some[name])), train.columns
    )
    described = pd.DataFrame(
        {
            "type": train.dtypes.astype(str),
            "missing": [f"{missing:,} ({missing / len(train):.1%})" for missing, _ in counts],
            "distinct": [f"{distinct:,}{more}" for _, distinct in counts],
        },
        index=train.columns,
    )
    sample = train.head(_SAMPLE_ROWS).astype(object).T.rename(columns=lambda row: f"row {row}")
    return described.join(sample).rename_axis("column")


def _distinct(values: pd.Series) -> int:
    """How many different values there are, missing ones aside; numbers are counted faster in order than by a hash."""
    if not isinstance(values.dtype, np.dtype) or values.dtype.kind not in "iuf":
        return values.nunique()
    ordered = np.sort(values.to_numpy())
    present = ordered[: np.searchsorted(ordered, np.nan)] if values.dtype.kind == "f" else ordered
    return int(np.count_nonzero(present[1:] != present[:-1])) + bool(len(present))


def fingerprint(train: pd.DataFrame, test: pd.DataFrame) -> str:
    """Name of a folder by what is in it, so that the same rows are kept once."""
    state = hashlib.blake2b(digest_size=8)
    for digest in cores.map_threads(_digest, [values for side in (train, test) for _, values in side.items()]):
        state.update(digest)
    return state.hexdigest()


def _digest(values: pd.Series) -> bytes:
    """Digest of a column; of what NumPy holds, by sums that every bit of it changes, which take a tenth of the time."""
    state = hashlib.blake2b(repr((values.name, str(values.dtype), len(values))).encode())
    held = None
    if tables.is_dictionary_encoded(values):
        state.update(repr(values.cat.categories.tolist()).encode())
        held = values.cat.codes.to_numpy()
    elif isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        held = values.to_numpy()
    if held is not None:
        octets = np.ascontiguousarray(held).view(np.uint8)
        whole = len(octets) // _WEIGHTS.nbytes * _WEIGHTS.nbytes
        state.update((octets[:whole].view(np.uint64).reshape(-1, len(_WEIGHTS)) @ _WEIGHTS).tobytes())
        state.update(octets[whole:].tobytes())
        return state.digest()
    for chunk in tables.pandas_to_arrow(values.to_frame()).combine_chunks().column(0).chunks:
        for buffer in chunk.buffers():
            state.update(buffer or b"")
    return state.digest()
