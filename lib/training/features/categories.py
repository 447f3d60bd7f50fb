"""Category columns: each distinct value, a category, becomes its index.

A column with many categories, such as ZIP codes, has the kind ``"code"``. Models do not see its categories one by one:
each is encoded as the mean of the target in the category's rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lib.schema.text_values import category_name

if TYPE_CHECKING:
    import pandas as pd

# By kind of column, the index of a category that the training rows did not contain. In columns with few categories it
# counts as a missing value. In columns of codes it is common, and the target encoder gives it the mean of all rows.
UNSEEN_INDEX = {"category": np.nan, "ordered": np.nan, "code": -1.0}


def factorize(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return an index for each row, and the category name for each index.

    Different values may have the same name, e.g. ``7`` and ``"7"``. The name of a blank cell is ``""``.

    Returns
    -------
    indices : numpy.ndarray of shape (rows,)
        -1 for a missing value.
    names : list of str

    Examples
    --------
    >>> import pandas as pd
    >>> indices, names = factorize(pd.Series(["b", "a", None, "b"]))
    >>> indices.tolist(), names
    ([0, 1, -1, 0], ['b', 'a'])
    """
    import pandas as pd

    try:
        indices, distinct = pd.factorize(values)
    except TypeError:  # lists and dictionaries are not hashable
        indices, distinct = pd.factorize(values.astype(object).map(str, na_action="ignore"))
    return indices, [category_name(value) for value in distinct]


class CategoryColumn:
    """Reader of a column of categories or codes.

    Parameters
    ----------
    kind : {"category", "code"}
        ``"category"`` for few categories, ``"code"`` for many.
    categories : iterable of str
        Names of the categories in the training rows; a category's position is its index.

    Examples
    --------
    >>> import pandas as pd
    >>> column = CategoryColumn("category", ["Oslo", "Rome"])
    >>> column.to_floats(pd.Series(["Rome", "Oslo", "Paris", None])).ravel()
    array([ 1.,  0., nan, nan])
    """

    parts = ("",)  # one feature, named like the column

    def __init__(self, kind: str, categories: Iterable[str]):
        self.kind = kind
        self.categories = list(categories)
        self.index_by_name = {"": np.nan} | {name: float(index) for index, name in enumerate(self.categories)}

    @property
    def unseen_index(self) -> float:
        """The index of a category that training did not contain."""
        return UNSEEN_INDEX[self.kind]

    def to_floats(self, values: pd.Series) -> np.ndarray:
        """Return the index of each row's category, of shape (rows, 1).

        The index is NaN for a missing or blank value, and `unseen_index` for an unknown category.
        """
        name_positions, names = factorize(values)
        # A missing value has the position -1, which selects the NaN at the end.
        indices = np.array([*(self.index_by_name.get(name, self.unseen_index) for name in names), np.nan])
        return indices[name_positions][:, None]


class OrderedColumn(CategoryColumn):
    """Reader of a column of ordered categories: each becomes its position in the order, a number.

    Parameters
    ----------
    order : iterable of str
        Names of the categories, the lowest first.

    Examples
    --------
    >>> import pandas as pd
    >>> OrderedColumn(["S", "M", "L"]).to_floats(pd.Series(["L", "S", None])).ravel()
    array([ 2.,  0., nan])
    """

    def __init__(self, order: Iterable[str]):
        super().__init__("ordered", order)
