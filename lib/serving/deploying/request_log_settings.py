"""Settings of the request log of an endpoint."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class RequestLogSettings:
    """Settings of the request log.

    Attributes
    ----------
    on : bool
        Whether requests are logged.
    columns : tuple of str
        The model's columns that are logged; empty means all columns.
    megabytes : float
        Maximum size of the log; beyond it, the oldest files are deleted.
    """

    on: bool = True
    columns: tuple[str, ...] = ()
    megabytes: float = 500
