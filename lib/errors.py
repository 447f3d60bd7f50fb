"""Every error that Millrace raises on purpose; each message says how to fix the problem.

::

    MillraceError                 base class; the message is written for a person
    ├── InputError                the user can fix it: parameters, files, columns     (exit code 2)
    │   ├── ParameterError        a parameter is unknown, out of range or of the wrong type
    │   ├── DataError             a file or table is missing, unreadable or breaks its contract
    │   ├── CodeError             a module of the customer cannot be imported or lacks what it must define
    │   ├── StorageError          a database or disk is locked, damaged, full or read-only
    │   └── NameNotFound          a name is not one of the known names
    ├── GateError                 a check blocked the chain                           (exit code 3)
    ├── StageError                a stage failed while it ran                         (exit code 1)
    │   └── OutputError           a stage's outputs are not plain JSON
    └── EndpointError             the endpoint did not start, answer or match         (exit code 1)
"""

from __future__ import annotations

import copyreg
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_DIM, _NORMAL = "\x1b[2m", "\x1b[0m"  # styles of a terminal, which Jupyter supports
_SHOWN_CLASS = re.compile(rf"{re.escape(_DIM)}\S+, exit code (\d+){re.escape(_NORMAL)}")


class MillraceError(Exception):
    """Base class of all errors raised on purpose.

    Attributes
    ----------
    exit_code : int
        The exit code of ``run_all.py`` when this error ends the run.
    """

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback: the message, and the class with its exit code.

        The chain reads the second line with `shown_exit_code`.
        https://ipython.readthedocs.io/en/stable/config/integrating.html
        """
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return [f"{type(self).__name__}: {self}", f"{_DIM}{name}, exit code {self.exit_code}{_NORMAL}"]


class InputError(MillraceError):
    """An input of the user that cannot be used; the message says what to change."""

    exit_code = 2


class ParameterError(InputError):
    """Parameters that cannot be used, at least one.

    Parameters
    ----------
    faults : str or iterable of str
        One sentence per fault; the message lists them all.
    """

    def __init__(self, faults: str | Iterable[str]):
        self.faults = [faults] if isinstance(faults, str) else list(faults)
        if len(self.faults) == 1:
            message = self.faults[0]
        else:
            lines = "\n".join(f"  - {fault}" for fault in self.faults)
            message = f"{len(self.faults)} parameters cannot be used:\n{lines}"
        super().__init__(message)


class DataError(InputError):
    """A file or table that is missing, unreadable or contradicts the parameters."""


class CodeError(InputError):
    """A module of the customer that cannot be imported, or lacks what it must define; see `lib.extensions`."""


class StorageError(InputError):
    """A database or disk that is locked, damaged, full or read-only; see `lib.storage_errors`."""


class NameNotFound(InputError):
    """An unknown name; the message suggests the most similar known name and lists the others.

    Parameters
    ----------
    kind : str
        What the name refers to, e.g. ``"column"``.
    name : str
        The unknown name.
    known : iterable of str
        The known names.
    where : str, optional
        Where the name was looked up, e.g. ``"data/flights.csv"``.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = ""):
        place = f" in {where}" if where else ""
        super().__init__(f"There is no {kind} {name!r}{place}. {suggest(name, known)}")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # By default, unpickling calls __init__ with the message as its only argument, which fails here.
        return copyreg.__newobj__, (type(self), *self.args)  # type: ignore[attr-defined]


class GateError(MillraceError):
    """A gate that blocked the chain: every stage worked, but the result is not good enough to continue."""

    exit_code = 3


class StageError(MillraceError):
    """A stage that failed while it ran."""


class OutputError(StageError):
    """Outputs of a stage that are not plain, finite JSON."""


class EndpointError(MillraceError):
    """An endpoint that did not start, did not answer, or answered differently from the model."""


def shown_exit_code(traceback: Sequence[str]) -> int | None:
    """Return the exit code of the Millrace error that a traceback of IPython shows; None if it is another error.

    The name alone does not identify an error: pandas, for example, has a ``DataError`` of its own.

    Parameters
    ----------
    traceback : sequence of str
        The ``traceback`` of a cell's error output.

    Examples
    --------
    >>> shown_exit_code(GateError("The score is too low.")._render_traceback_())
    3
    >>> shown_exit_code(["GateError: The score is too low."]) is None
    True
    """
    match = _SHOWN_CLASS.fullmatch(traceback[-1]) if traceback else None
    return int(match[1]) if match else None


def format_count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun, for messages.

    Parameters
    ----------
    number : int
    singular : str
        The words that follow the number 1.
    plural : str
        The words that follow all other numbers; by default `singular` with an "s".

    Examples
    --------
    >>> format_count(1, "row"), format_count(2000, "row"), format_count(1, "row has", "rows have")
    ('1 row', '2,000 rows', '1 row has')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def suggest(name: object, known: Iterable[object], max_names: int = 30) -> str:
    """Return sentences that suggest the most similar known name, if there is one, and list the known names.

    Parameters
    ----------
    name : object
        The unknown name, usually a string.
    known : iterable
        The known names.
    max_names : int
        How many known names to list.

    Returns
    -------
    str

    Examples
    --------
    >>> suggest("roc_auk", ["accuracy", "f1", "roc_auc"])
    "Did you mean 'roc_auc'? Known: accuracy, f1, roc_auc."
    >>> suggest("zebra", ["accuracy", "f1", "roc_auc"], max_names=2)
    'Known: accuracy, f1 and 1 more.'
    """
    known_names = [str(known_name) for known_name in known]
    name_by_lowercase = {known_name.lower(): known_name for known_name in known_names}
    similar = difflib.get_close_matches(str(name).lower(), name_by_lowercase, n=1, cutoff=0.5)
    question = f"Did you mean {name_by_lowercase[similar[0]]!r}? " if similar else ""
    listed = ", ".join(known_names[:max_names]) or "none"
    if len(known_names) > max_names:
        listed += f" and {len(known_names) - max_names} more"
    return f"{question}Known: {listed}."
