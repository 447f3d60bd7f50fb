"""What a person must say about a model: the parameter ``card``, for the model card and technical documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.errors import suggest

# Each entry with the question that ``init --card`` asks.
QUESTIONS = {
    "owner": "Who is responsible for the model?",
    "contact": "How can the owner be reached?",
    "intended_use": "Which decisions is the model meant for, and who makes them?",
    "out_of_scope": "What must it not be used for?",
    "affected_people": "Who is affected by these decisions?",
    "data_origin": "Where do the data come from, and how were they collected and labelled?",
    "limits": "Which limits and risks are known?",
    "oversight": "Who checks its answers, and how can they be overruled?",
    "license": "Under which license may it be used?",
}


def find_card_faults(card: Mapping[str, Any]) -> list[str]:
    """Return a message for each entry that is unknown or is no text.

    Parameters
    ----------
    card : mapping
        The parameter ``card``.

    Examples
    --------
    >>> find_card_faults({"owner": "Credit risk"}), find_card_faults({"owners": "Credit risk"})[0][:38]
    ([], "card: there is no entry 'owners'. Did ")
    """
    faults = [
        f"card: there is no entry {key!r}. {suggest(str(key), QUESTIONS)}" for key in card if key not in QUESTIONS
    ]
    faults += [
        f"card: {key} is {value!r}; expected a text."
        for key, value in card.items()
        if key in QUESTIONS and not isinstance(value, str)
    ]
    return faults
