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
RENAMED_VALUES = {"vm_priority": {"low_priority": "spot"}}
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


def current_value(name: str, value: object, source: str) -> object:
    """Return the current name of a parameter's value; warn if the given one is an old name.

    Parameters
    ----------
    name : str
        Current name of the parameter.
    value : object
    source : str
        Where the value was read; the warning starts with it.

    Examples
    --------
    >>> current_value("vm_priority", "dedicated", "parameters/azureml.yaml")
    'dedicated'
    """
    renamed = RENAMED_VALUES.get(name, {})
    if not isinstance(value, str) or value not in renamed:
        return value
    message = f"{source}: {name}: {value} is now called {renamed[value]}. The old name will stop working with the next"
    warnings.warn(f"{message} release.", FutureWarning, stacklevel=2)
    return renamed[value]
