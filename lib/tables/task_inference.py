"""The task that a target suggests, and its positive class."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from lib.errors import DataError, format_count
from lib.tables.quality.profile import DATE, NUMBERS, TEXT, WHOLE, ColumnProfile

_YES = "true yes y t 1 1.0 positive pos ja j oui o si sí sì s sim wahr vrai tak ano да igen evet kyllä jah".split()
_NO = "false no n f 0 0.0 negative neg nein non nee nej não nao falsch faux -1 nie ne нет nem hayır ei".split()
# A target with more distinct integers is an amount. With at most this many, counted from 0 or 1, it has class numbers.
_MAX_NUMBERED_CLASSES = 20
# Words in the name of a target whose integers are class numbers, even with gaps, or counts.
_CLASS_WORDS = set(
    "class classes cls label labels type types category categories species klasse klassen kategorie kategorien typ "
    "classe classes clase clases catégorie categoria categoría tipo".split()
)
_COUNT_WORDS = set("count counts cnt number num nr n quantity qty total sum amount anzahl menge nombre número".split())
_WORD_BREAK = re.compile(r"[\W_\d]+|(?<=[a-zß-ÿ])(?=[A-Z])")
_MIN_ROWS_PER_NAMED_CLASS = 3


def infer_task(target: ColumnProfile) -> str:
    """Return the task of a target: binary, multiclass or regression.

    Texts are classes. Whole numbers are classes if the target has a name such as "class", or if they count from 0 or 1
    without gaps. Other numbers are amounts.

    Raises
    ------
    DataError
        If the target has fewer than two values, is a date, or spells yes and no in several ways.
    """
    if target.distinct < 2:
        count = format_count(target.distinct, "distinct value")
        raise DataError(f"The target {target.name} has {count}; a model needs at least two to learn from.")
    if target.distinct == 2:
        return "binary"
    labels = {label.casefold() for label in target.categories}
    if target.kind == TEXT and labels and labels <= {*_YES, *_NO}:
        raise DataError(
            f"The target {target.name} spells yes and no in {target.distinct} ways: {', '.join(target.categories)}. "
            "Use one spelling for each, or pass --task multiclass if they are separate classes."
        )
    if target.kind == DATE:
        raise DataError(f"The target {target.name} is a date. Derive a number or a class from it in prepare_data.")
    if target.kind not in NUMBERS:
        return "multiclass"
    return "multiclass" if target.kind == WHOLE and _are_class_numbers(target) else "regression"


def _are_class_numbers(target: ColumnProfile) -> bool:
    """Return whether the whole numbers of a target are class numbers, by the target's name, else by the numbers."""
    words = {word.casefold() for word in _WORD_BREAK.split(target.name)}
    if words & _COUNT_WORDS:
        return False
    if words & _CLASS_WORDS:
        return target.distinct * _MIN_ROWS_PER_NAMED_CLASS <= target.rows - target.missing
    is_numbered = (target.minimum, target.maximum) in ((0, target.distinct - 1), (1, target.distinct))
    return is_numbered and target.distinct <= _MAX_NUMBERED_CLASSES


def infer_positive_class(counts: pd.Series) -> Any:
    """Return the positive class: the one that means yes, else the rarer one.

    The number 1 means yes only if the other class means no, such as 0.
    """
    texts = {name: str(name).lower() for name in counts.index}
    yes_classes = [name for name, text in texts.items() if text in _YES]
    has_no = any(text in _NO for text in texts.values())
    means_yes = len(yes_classes) == 1 and (has_no or not texts[yes_classes[0]].startswith("1"))
    positive_class = yes_classes[0] if means_yes else counts.index[-1]
    return positive_class.item() if hasattr(positive_class, "item") else positive_class
