"""The likely cause of a difference between two runs: which of the changes can explain the first result that differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lib.evidence.compare.changes import CODE, DATA, MACHINE, PARAMETER, SEED, STAGES, VERSION, Change

# Of several changes that can explain a difference, the more specific kind is more likely the cause.
_KINDS = (DATA, PARAMETER, SEED, CODE, VERSION, MACHINE)
UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Cause:
    """The likely cause of a difference.

    Attributes
    ----------
    kind : str
        Kind of the change, `UNEXPLAINED`, or empty if nothing has changed.
    changes : tuple of Change
        The changes of that kind that explain the difference, most likely first.
    others : tuple of Change
        Other changes that could explain it as well.
    sentence : str
    """

    kind: str
    changes: tuple[Change, ...]
    others: tuple[Change, ...]
    sentence: str


def find_cause(changes: Sequence[Change], first_difference: str) -> Cause:
    """Return the likely cause.

    Parameters
    ----------
    changes : sequence of Change
        What went into the runs differently.
    first_difference : str
        The first stage with a result that differs; empty if all results are equal.

    Examples
    --------
    >>> change = Change("seed", "seed", "42", "7", ("preprocess", "train"))
    >>> find_cause([change], "train").sentence
    'The likely cause is the seed: seed was 42 and is 7. The first results that differ are those of train.'
    """
    if not changes and not first_difference:
        return Cause("", (), (), "Nothing has changed: inputs and results of both runs are equal.")
    ranked = sorted(changes, key=lambda change: _rank(change, first_difference))
    plausible = [change for change in ranked if _rank(change, first_difference)[0] < _IMPLAUSIBLE]
    if first_difference and not plausible:
        return Cause(UNEXPLAINED, (), tuple(ranked), _explain_unexplained(first_difference, ranked))
    best = (plausible or ranked)[0]
    explaining = tuple(change for change in plausible or ranked if change.kind == best.kind)
    others = tuple(change for change in plausible if change.kind != best.kind)
    return Cause(best.kind, explaining, others, _explain(explaining, others, first_difference))


_IMPLAUSIBLE = 2


def _rank(change: Change, first_difference: str) -> tuple[int, int, str]:
    """Return the place of a change: 0 if it acts on the first stage that differs, 1 if before, 2 if only afterwards."""
    if not first_difference:
        return (0 if change.stages else 1), _KINDS.index(change.kind), change.name
    position = STAGES.index(first_difference)
    if first_difference in change.stages:
        place = 0
    elif any(STAGES.index(stage) < position for stage in change.stages):
        place = 1
    else:
        place = _IMPLAUSIBLE
    return place, _KINDS.index(change.kind), change.name


def _explain(changes: Sequence[Change], others: Sequence[Change], first_difference: str) -> str:
    shown = "; ".join(describe_change(change) for change in changes[:3])
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    names = {CODE: "the code", VERSION: "the versions", DATA: "the data", MACHINE: "the machine", SEED: "the seed"}
    name = names.get(changes[0].kind, "a parameter" if len(changes) == 1 else "the parameters")
    if not first_difference:
        return f"The results that both runs have are equal. What has changed is {name}: {shown}{more}."
    alternatives = sorted({names.get(change.kind, "a parameter") for change in others})
    also = f" It cannot be told apart from {', '.join(alternatives)}, which changed as well." if alternatives else ""
    differing = f"The first results that differ are those of {first_difference}."
    return f"The likely cause is {name}: {shown}{more}. {differing}{also}"


def _explain_unexplained(first_difference: str, changes: Sequence[Change]) -> str:
    if first_difference == "preprocess":
        guess = "the table was changed at its address, which is not hashed if it is remote"
    else:
        guess = "something that is not recorded, such as the machine's load or a library that is not deterministic"
    known = " What has changed acts on later stages only." if changes else ""
    return f"Results of {first_difference} differ, but nothing that is recorded explains it: perhaps {guess}.{known}"


def describe_change(change: Change) -> str:
    """Return a change in words.

    >>> describe_change(Change("code", "lib/metrics/scorers.py", "abc", "def", ()))
    'lib/metrics/scorers.py has changed'
    """
    if change.kind in (CODE, DATA) and change.before and change.after and '"' not in change.before:
        return f"{change.name} has changed"
    if not change.before or not change.after:
        return f"{change.name} is {'new' if not change.before else 'gone'}"
    return f"{change.name} was {change.before} and is {change.after}"
