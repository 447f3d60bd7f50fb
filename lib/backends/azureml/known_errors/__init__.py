"""The known errors of Azure, by subject, each with its cause, the next step, and whether a repeated call may pass."""

from lib.backends.azureml.known_errors.access import ACCESS_ERRORS
from lib.backends.azureml.known_errors.capacity import CAPACITY_ERRORS
from lib.backends.azureml.known_errors.endpoints import ENDPOINT_ERRORS
from lib.backends.azureml.known_errors.jobs import JOB_ERRORS, TIME_LIMIT
from lib.backends.azureml.known_errors.known_error import KnownError
from lib.backends.azureml.known_errors.logins import LOGIN_ERRORS
from lib.backends.azureml.known_errors.network import NETWORK_ERRORS
from lib.backends.azureml.known_errors.statuses import STATUS_ERRORS
from lib.backends.azureml.known_errors.storage import STORAGE_ERRORS

__all__ = ["KNOWN_ERRORS", "TIME_LIMIT", "UNKNOWN_ERROR", "KnownError"]

# The first match wins, so specific errors come before general ones.
KNOWN_ERRORS = (
    *LOGIN_ERRORS,
    *NETWORK_ERRORS,
    *ENDPOINT_ERRORS,
    *CAPACITY_ERRORS,
    *ACCESS_ERRORS,
    *JOB_ERRORS,
    *STORAGE_ERRORS,
    *STATUS_ERRORS,
)
UNKNOWN_ERROR = KnownError("unknown", "", (), "Azure rejected the request.", "")
