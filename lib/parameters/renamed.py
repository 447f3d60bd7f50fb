"""Renamed parameters: an old name keeps working for one release, with a warning that gives the new one."""

from __future__ import annotations

import warnings

RENAMED = {
    "endpoint_mirror": "endpoint_mirror_percent",
    "endpoint_most_errors": "endpoint_max_error_rate",
    "endpoint_most_latency_ms": "endpoint_p95_latency_ms",
    "endpoint_traffic": "endpoint_traffic_percent",
    "keep_requests": "request_log",
    "keep_columns": "request_log_columns",
    "keep_megabytes": "request_log_megabytes",
    "max_cost": "max_cost_usd",
    "max_parallel": "max_parallel_notebooks",
    "prices": "prices_usd_per_hour",
}
REMOVED = ("azure",)


def current_name(name: str, source: str) -> str:
    """Return the current name of a parameter; warn if the given name is an old one.

    Parameters
    ----------
    name : str
        A current or an old name.
    source : str
        Where the name was read, e.g. the path of a file; the warning starts with it.

    Examples
    --------
    >>> current_name("seed", "parameters/flights.yaml")
    'seed'
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", FutureWarning)
    ...     current_name("max_cost", "parameters/flights.yaml")
    'max_cost_usd'
    """
    if name not in RENAMED:
        return name
    message = f"{source}: {name} is now called {RENAMED[name]}. The old name will stop working with the next release."
    warnings.warn(message, FutureWarning, stacklevel=2)
    return RENAMED[name]
