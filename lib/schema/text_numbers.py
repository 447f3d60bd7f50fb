"""Parsing of numbers that a table with typed columns, such as a Parquet file, contains as text."""

from __future__ import annotations

import math
import re

_AMOUNT = re.compile(r"(?P<sign>[+-]?)[$€£]?\s?(?P<number>\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?)")
_BOOLEAN_WORDS = {"true": 1.0, "false": 0.0}


def parse_number(text: str) -> float:
    """Parse a number, which may have a currency sign or thousands separators; true is 1 and false is 0.

    Returns
    -------
    float
        NaN if the text is none of these.

    Examples
    --------
    >>> parse_number("-$1,024.50"), parse_number(" 1e3 "), parse_number("true"), parse_number("n/a")
    (-1024.5, 1000.0, 1.0, nan)
    """
    try:
        return float(text)
    except ValueError:
        return parse_amount_or_boolean(text)


def parse_amount_or_boolean(text: str) -> float:
    """Parse texts that `float` rejects: amounts such as £1,024.50, true and false; NaN for other texts.

    Examples
    --------
    >>> parse_amount_or_boolean("£7"), parse_amount_or_boolean("7 pounds")
    (7.0, nan)
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match:
        return float(match["sign"] + match["number"].replace(",", ""))
    return _BOOLEAN_WORDS.get(text.strip().lower(), math.nan)
