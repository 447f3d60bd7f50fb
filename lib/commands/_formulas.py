"""Text in scored rows that a spreadsheet would run as a formula."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# See https://owasp.org/www-community/attacks/CSV_Injection. Numbers with a sign are harmless.
_FORMULA = r"^[=+\-@\t\r]"
_NUMBER = r"^[+\-]?[\d\s.,()/\-]*$"


def count_formulas(table: pa.Table) -> Counter[str]:
    """Count the texts in each column that a spreadsheet would run as a formula when it opens them in a CSV file.

    Examples
    --------
    >>> import pyarrow as pa
    >>> dict(count_formulas(pa.table({"note": ["=1+1", "-5", "+49 30", "@x", None], "size": [-1, 2, 3, 4, 5]})))
    {'note': 2}
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    counts: Counter[str] = Counter()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            is_number = pc.match_substring_regex(column, _NUMBER)
            is_formula = pc.and_not(pc.match_substring_regex(column, _FORMULA), is_number)
            if count := pc.sum(is_formula).as_py():
                counts[name] += count
    return counts


def describe_formulas(counts: Counter[str], file: str) -> str:
    """Return a warning about formulas in a CSV file; empty if there are none."""
    if not counts:
        return ""
    columns = ", ".join(f"{name!r} ({count:,})" for name, count in counts.most_common(5))
    more = " and others" if len(counts) > 5 else ""
    return (
        f"{file} contains text that a spreadsheet would run as a formula, in {columns}{more}. Do not open the file in "
        "a spreadsheet unless you trust the rows, or import these columns as text."
    )
