"""A table that a notebook displays."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

# Keys of a table's ``attrs``.
MARKED = "marked"  # the names of the rows or columns in bold
NAN_TEXT = "nan_text"  # the text in place of NaN; an empty text by default
_MAX_ROWS = 200


class Table(pd.DataFrame):
    """A table that a notebook displays with complete texts, left-aligned, and marked names in bold.

    Of a long table, the notebook shows the first 200 rows and says so.
    """

    @property
    def _constructor(self) -> type:
        return Table  # otherwise set_index and similar methods would return a DataFrame

    def _repr_html_(self) -> str:
        """Return the table as HTML; Jupyter calls this method to display the table."""
        shown = self.head(_MAX_ROWS)
        if shown.columns.name is None:  # pandas would show the index's name in a header row of its own
            shown = shown.rename_axis(index=None, columns=shown.index.name)
        text_columns = shown.select_dtypes(object).columns
        left_aligned_header = [{"selector": "th", "props": [("text-align", "left")]}]
        styler = shown.style.format(
            precision=4, thousands=",", na_rep=self.attrs.get(NAN_TEXT, ""), escape="html"
        ).set_table_styles(left_aligned_header)
        if isinstance(self.index, pd.RangeIndex) and self.index.name is None:  # the rows have no names
            styler = styler.hide(axis="index")
        if len(shown) < len(self):
            styler = styler.set_caption(f"The first {len(shown):,} of {len(self):,} rows.")
        marked_names = {str(name) for name in self.attrs.get(MARKED, [])}
        for axis in (0, 1):
            styler = styler.format_index(lambda name: _add_star(name, marked_names), escape="html", axis=axis)
        marked_rows = (shown.index.isin(marked_names), slice(None))
        marked_columns = (slice(None), shown.columns.isin(marked_names))
        for cells in (marked_rows, marked_columns):
            styler = styler.set_properties(subset=cells, **{"font-weight": "bold"})
        return styler.set_properties(subset=text_columns, **{"text-align": "left"}).to_html()


def _add_star(name: Any, marked_names: Collection[str]) -> str:
    """Return the name of a row or column as text, followed by a star if it is one of the marked names."""
    return f"{name} ★" if str(name) in marked_names else str(name)
