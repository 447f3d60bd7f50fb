"""Reading of categories and codes: every level becomes its number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# A level never seen is as good as missing where levels are few. A code never seen is the rule, and
# says nothing: the encoder by target gives it the mean of all.
UNSEEN = {"category": np.nan, "code": -1.0}

# A request has few rows, for which pandas takes longer to start than Python to finish.
FEW_ROWS = 16


def as_word(value: object) -> str:
    """Text of one level, the same however the level came.

    A code 7 is ``7.0`` in a column that also has missing values, and may be ``"7"`` in a request.
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def factorize(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Row codes (-1 where missing) and the words they stand for.

    Words are made once a distinct value and not once a row, which is what keeps this fast. Two codes
    may have the same word (``7`` and ``"7"``), and a blank cell has the word ``""``.
    """
    import pandas as pd

    if len(values) <= FEW_ROWS:
        codes = np.array([-1 if pd.isna(value) is True else place for place, value in enumerate(values)], dtype=np.intp)
        return codes, [as_word(value) for value in values]
    try:
        codes, found = pd.factorize(values)
    except TypeError:  # lists and dictionaries cannot be hashed
        codes, found = pd.factorize(values.astype(object).map(str, na_action="ignore"))
    return codes, [as_word(value) for value in found]


class CategoryColumn:
    """A column of categories or codes, read as the number of the level.

    Parameters
    ----------
    kind : str
        ``"category"`` (few levels) or ``"code"`` (many).
    levels : iterable of str
        Words known from training, numbered in this order.
    """

    parts = ("",)

    def __init__(self, kind: str, levels: Iterable[str]):
        self.kind = kind
        self.levels = list(levels)
        self._numbers = {"": np.nan} | {level: float(number) for number, level in enumerate(self.levels)}

    def read(self, values: pd.Series) -> np.ndarray:
        """Level numbers, shape (rows, 1); NaN where missing or blank, ``UNSEEN`` where not known."""
        codes, words = factorize(values)
        # The last entry is for code -1: missing.
        numbers = np.array([self._numbers.get(word, UNSEEN[self.kind]) for word in words] + [np.nan])
        return numbers[codes][:, None]
