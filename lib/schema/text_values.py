"""Normalization of text values, the same in contracts, training and scoring: trimmed, and in Unicode form NFC."""

from __future__ import annotations

import numbers
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def compose_text(text: str) -> str:
    """Return a text with its characters composed.

    Unicode can write ``é`` as one character or as ``e`` with a combining accent. Normalization form C composes them
    (Unicode Standard Annex #15, https://unicode.org/reports/tr15).

    Examples
    --------
    >>> compose_text("cafe\u0301") == "caf\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def normalize_text(text: str) -> str:
    """Return a text without surrounding spaces, and with its characters composed.

    Examples
    --------
    >>> normalize_text("  cafe\u0301 ") == "caf\u00e9"
    True
    """
    return compose_text(text).strip()


def normalize_label(label: object) -> str:
    """Return the text of a class label with composed characters, and without surrounding or repeated spaces.

    Examples
    --------
    >>> normalize_label(" very  good "), normalize_label(1.0)
    ('very good', '1')
    """
    return " ".join(category_name(label).split())


def decode_bytes(content: bytes) -> str:
    r"""Decode bytes as UTF-8; invalid bytes are escaped.

    Examples
    --------
    >>> decode_bytes(b"Oslo\xff")
    'Oslo\\xff'
    """
    return content.decode("utf-8", "backslashreplace")


def category_name(value: object) -> str:
    """Return the text of a category, independent of the type it is stored in.

    A whole number is a float in a column with missing values, and may be text in a request.

    Examples
    --------
    >>> category_name(7), category_name(7.0), category_name(" 7 ")
    ('7', '7', '7')
    """
    # NumPy's floats are real numbers too, and this module is imported without NumPy.
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) and float(value).is_integer():
        value = int(float(value))
    return normalize_text(str(value))


def category_names(values: pd.Series) -> pd.Series:
    """Return the name of the category in each row, with None for blank and missing values.

    Parameters
    ----------
    values : Series of shape (rows,)

    Returns
    -------
    Series of object, of shape (rows,)

    Examples
    --------
    >>> import pandas as pd
    >>> category_names(pd.Series([" yes", "yes ", "", None])).tolist()
    ['yes', 'yes', None, None]
    """
    import numpy as np
    import pandas as pd

    try:
        codes, distinct = pd.factorize(values)
    except TypeError:  # lists and dictionaries are not hashable
        codes, distinct = pd.factorize(values.astype(object).map(str, na_action="ignore"))
    # Missing values have the code -1, so they take the last entry.
    names = np.array([*(category_name(value) or None for value in distinct), None], dtype=object)
    return pd.Series(names[codes], index=values.index, name=values.name)
