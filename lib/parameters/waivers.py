"""Waivers: recorded, dated permissions to pass a gate of the evaluate stage."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from lib.errors import suggest
from lib.parameters.gates import GATES

_KEYS = ("gate", "who", "why", "until")
_EXAMPLE = '{gate: min_score, who: Ada Lovelace, why: "pilot in one shop", until: 2027-01-31}'


def find_waiver_faults(waivers: list[Any], today: datetime.date | None = None) -> list[str]:
    """Return a message for each waiver that is incomplete, names no gate, or has expired.

    Parameters
    ----------
    waivers : list
        The parameter ``waivers``.
    today : date, optional
        By default the current date.

    Examples
    --------
    >>> waiver = {"gate": "min_score", "who": "Ada", "why": "pilot", "until": "2020-01-31"}
    >>> find_waiver_faults([waiver])
    ['waivers: the waiver of min_score by Ada expired on 2020-01-31. Delete it, or decide again until when it holds.']
    """
    today = today or datetime.date.today()
    faults = []
    for waiver in waivers:
        if not isinstance(waiver, Mapping) or {*waiver} != {*_KEYS} or not all(map(str, waiver.values())):
            faults.append(f"waivers: {waiver!r} is incomplete; expected {', '.join(_KEYS)}, e.g. {_EXAMPLE}.")
        elif waiver["gate"] not in GATES:
            faults.append(f"waivers: there is no gate {waiver['gate']!r}. {suggest(waiver['gate'], GATES)}")
        elif (last_day := _parse_date(waiver["until"])) is None:
            faults.append(f"waivers: until is {waiver['until']!r}; expected a date such as 2027-01-31.")
        elif last_day < today:
            faults.append(
                f"waivers: the waiver of {waiver['gate']} by {waiver['who']} expired on {last_day}. Delete it, or "
                "decide again until when it holds."
            )
    return faults


def find_valid_waiver(waivers: list[Any], gate: str, today: datetime.date | None = None) -> Mapping[str, Any] | None:
    """Return the waiver of a gate that holds today; None if there is none."""
    today = today or datetime.date.today()
    for waiver in waivers:
        last_day = _parse_date(waiver["until"])
        if waiver["gate"] == gate and last_day is not None and last_day >= today:
            return waiver
    return None


def _parse_date(text: Any) -> datetime.date | None:
    """Return a date in ISO 8601; None for another text."""
    try:
        return datetime.date.fromisoformat(str(text))
    except ValueError:
        return None
