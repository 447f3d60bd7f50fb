"""Forms in which people write dates, and which of them a column has: one answer for reading, splitting and training."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ISO = "ISO8601"
_NAMED = ("%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%B %d, %Y", "%d %B %Y", "%Y%m%dT%H%M%S")
_NUMERIC = re.compile(
    r"\d{1,2}(?P<mark>[/.-])\d{1,2}(?P=mark)(?P<year>\d{4}|\d{2})"
    r"(?P<time>(?P<gap>,? |T)\d{1,2}:\d\d(?P<seconds>:\d\d)?(?P<blank> ?)(?P<half>[AaPp][Mm])?)?"
)
_MOST_SHAPES = 3


def possible(words: Sequence[str], month_first: bool = False) -> list[str]:
    """Forms that some of these words may have, the likelier first; where no word tells day from month, the first holds.

    Parameters
    ----------
    words : sequence of str
    month_first : bool
        Whether ``03/04/2005`` is rather the fourth of March.
    """
    shapes = Counter(filter(None, map(_shape, words)))
    found = [ISO]
    for (mark, year, time), _ in shapes.most_common(_MOST_SHAPES):
        forms = [f"{mark.join(parts)}{mark}{year}{time}" for parts in (("%d", "%m"), ("%m", "%d"))]
        # Nobody who writes points puts the month first.
        found += forms[:1] if mark == "." else forms[::-1] if month_first else forms
    return [*found, *_NAMED]


def swapped(form: str) -> str:
    """The form with day and month in each other's place; the form itself where they cannot be mistaken."""
    if form[:2] not in ("%d", "%m") or form[2:3] not in "/-" or form[3:5] not in ("%d", "%m"):
        return form
    return f"{form[3:5]}{form[2]}{form[:2]}{form[5:]}"


def in_words(form: str) -> str:
    """A form as people say it: ``dd/mm/yy``."""
    said = {"%d": "dd", "%m": "mm", "%Y": "yyyy", "%y": "yy", "%b": "Mon", "%B": "Month", "%H": "hh", "%I": "hh"}
    said |= {"%M": "mm", "%S": "ss", "%p": "am/pm", ISO: "yyyy-mm-dd"}
    return re.sub("|".join(said), lambda found: said[found[0]], form)


def parse(values: pd.Series, form: str) -> pd.Series:
    """Moments in UTC of what has this form, or ISO's, which nothing else can be taken for; else none."""
    import pandas as pd

    parsed = pd.to_datetime(values, format=form, errors="coerce", utc=True)
    if form != ISO and parsed.isna().any():
        parsed = parsed.fillna(pd.to_datetime(values, format=ISO, errors="coerce", utc=True))
    return parsed


def _shape(word: str) -> tuple[str, str, str] | None:
    found = _NUMERIC.fullmatch(word.strip())
    if found is None:
        return None
    time = ""
    if found["time"]:
        clock = "%I:%M" if found["half"] else "%H:%M"
        half = f"{found['blank']}%p" if found["half"] else ""
        time = f"{found['gap']}{clock}{':%S' if found['seconds'] else ''}{half}"
    return found["mark"], "%Y" if len(found["year"]) == 4 else "%y", time
