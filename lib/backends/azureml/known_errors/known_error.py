"""A known kind of failure of Azure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lib.errors import MillraceError, StageError
from lib.invocation import command

DOCTOR, LOGS, RESUME = command("doctor"), command("endpoint", "logs"), command("--resume", "RUN")
# Seconds before each repeated call. A transient failure passes within seconds, an operation on an endpoint within
# minutes, and a lack of machines within half an hour or not at all.
SHORT_WAITS = (1.0, 2.0, 4.0, 8.0)
OPERATION_WAITS = (15.0,) * 40
CAPACITY_WAITS = (60.0, 120.0, 240.0, 480.0, 900.0)


@dataclass(frozen=True)
class KnownError:
    """A known kind of failure of Azure, and what it means for the user.

    Attributes
    ----------
    name : str
    pattern : str
        Regular expression that must match in the error's codes and text; empty if only the status matters.
    statuses : tuple of int
        The error must have one of these HTTP statuses; empty if only the pattern matters.
    cause : str
        What happened, in full sentences.
    next_step : str
        What the user can do about it, in full sentences.
    error_type : type
        Type of the error that the user sees.
    waits : tuple of float
        Seconds to wait before each repeated call; empty if the same call cannot succeed later.
    """

    name: str
    pattern: str
    statuses: tuple[int, ...]
    cause: str
    next_step: str
    error_type: type[MillraceError] = StageError
    waits: tuple[float, ...] = ()

    @property
    def meaning(self) -> str:
        """The cause and the next step."""
        return f"{self.cause} {self.next_step}".strip()

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return bool(self.waits)

    def matches(self, statuses: set[int], text: str) -> bool:
        """Return whether an exception with this text, and any of these HTTP statuses, is an error of this kind."""
        if self.statuses and not statuses & set(self.statuses):
            return False
        return not self.pattern or re.search(self.pattern, text, re.IGNORECASE) is not None
