"""Every error Millrace raises on purpose, each with its way out in the message.

::

    MillraceError                 anything below; its text is meant for a person
    ├── InputError                the user can mend it: parameters, files, columns    (exit code 2)
    │   ├── ParameterError        a parameter is unknown, of the wrong type, out of range
    │   ├── DataError             a file or table is missing, unreadable or breaks the contract
    │   └── NameNotFound          a name that is not one of the known ones
    ├── GateError                 a check held the chain back                         (exit code 3)
    ├── StageError                a stage went wrong while it ran                     (exit code 1)
    │   └── OutputError           a stage hands on something that is not plain JSON
    └── EndpointError             the endpoint did not start, answer or agree         (exit code 1)
"""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Iterable


class MillraceError(Exception):
    """Base of all errors raised on purpose.

    Attributes
    ----------
    exit_code : int
        What ``run_all.py`` exits with when this error ends the run.
    """

    exit_code = 1


class InputError(MillraceError):
    """Something the user gave cannot be used, and the message says what to change."""

    exit_code = 2


class ParameterError(InputError):
    """One or more parameters cannot be used.

    Parameters
    ----------
    faults : iterable of str
        One sentence a fault; all of them are shown together.
    """

    def __init__(self, faults: str | Iterable[str]):
        self.faults = [faults] if isinstance(faults, str) else list(faults)
        if len(self.faults) == 1:
            text = self.faults[0]
        else:
            lines = "\n".join(f"  - {fault}" for fault in self.faults)
            text = f"{len(self.faults)} parameters cannot be used:\n{lines}"
        super().__init__(text)


class DataError(InputError):
    """A file or table is missing, unreadable or not what the parameters say."""


class NameNotFound(InputError):
    """A name is not one of the known ones; the message has the nearest and all of them.

    Parameters
    ----------
    kind : str
        What the name stands for, e.g. ``"column"``.
    name : str
        The name that was asked for.
    known : iterable of str
        The names there are.
    where : str, optional
        Where it was looked for, e.g. ``"data/flights.csv"``.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = ""):
        place = f" in {where}" if where else ""
        super().__init__(f"There is no {kind} {name!r}{place}. {suggest(name, known)}")

    def __reduce__(self):
        # A pickle, as between processes, would call __init__ with the message alone.
        return copyreg.__newobj__, (type(self), *self.args)


class GateError(MillraceError):
    """A gate held the chain back: everything worked, and nothing is fit to go on with."""

    exit_code = 3


class StageError(MillraceError):
    """A stage could not do its work."""


class OutputError(StageError):
    """A stage hands on something that is not plain, finite JSON."""


class EndpointError(MillraceError):
    """The endpoint did not start, did not answer, or answered something else than the model."""


def suggest(name: str, known: Iterable[str], most: int = 30) -> str:
    """Sentence with the nearest known name, if any is near, and the known names.

    Parameters
    ----------
    name : str
        The name that was not found.
    known : iterable of str
        The names there are.
    most : int
        How many of them are listed at the most.

    Returns
    -------
    str
        E.g. ``"Did you mean 'roc_auc'? Known: accuracy, f1, roc_auc."``
    """
    names = [str(one) for one in known]
    lowered = {one.lower(): one for one in names}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)
    listed = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    meant = f"Did you mean {lowered[near[0]]!r}? " if near else ""
    return f"{meant}Known: {listed or 'none'}."
