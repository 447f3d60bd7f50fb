"""Translation of Azure's exceptions into messages for data scientists, and retries of transient failures.

The Azure SDKs raise exceptions of many unrelated classes. This module uses only the HTTP status, the error code and the
text of an exception. The table in `known_errors` maps them to explanations.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from lib.backends.azureml.known_errors import KNOWN_ERRORS, UNKNOWN_ERROR, KnownError
from lib.errors import MillraceError

T = TypeVar("T")
_MAX_WAIT_SECONDS = 60.0
_MAX_TEXT_LENGTH = 600
_CLIENT_PACKAGES = ("azure", "azureml", "mlflow", "msal", "msrest", "requests", "urllib3")
_NOT_FOUND = re.compile(r"not found|cannot find|does ?n.t exist|no dataset", re.IGNORECASE)
_STATUS_IN_TEXT = re.compile(
    r"(?:status(?:[ _]?code)?|HTTP(?:/1.1)?|error|code|failed)[\"': =(]{1,4}([45]\d\d)\b", re.IGNORECASE
)
# azureml-core wraps the message in several lines of other fields.
_MESSAGE_PATTERNS = (r"\"message\": \"(.+?)\"\s*[,}\n]", r"Message: (.+?)(?:\n\t?[A-Z]\w+ |\Z)")


def identify_error(error: BaseException) -> KnownError:
    """Return the known error that matches an exception and its causes, or `UNKNOWN_ERROR`."""
    statuses, text = _statuses_and_text(error)
    return next((known for known in KNOWN_ERRORS if known.matches(statuses, text)), UNKNOWN_ERROR)


def is_not_found(error: BaseException) -> bool:
    """Return whether an exception reports that the requested resource does not exist."""
    statuses, text = _statuses_and_text(error)
    return 404 in statuses or (not statuses and _NOT_FOUND.search(text) is not None)


def translate_error(error: BaseException, action: str) -> MillraceError:
    """Translate an SDK exception into an error for the user.

    Parameters
    ----------
    error : Exception
    action : str
        The failed action as an infinitive without "to", such as ``"find the workspace mlw"``.
    """
    known = identify_error(error)
    return known.error_type(f"Azure ML: could not {action}. {known.meaning} Azure says: {error_text(error)}")


@contextlib.contextmanager
def translate_errors(action: str) -> Iterator[None]:
    """Translate exceptions of the ``with`` block. Millrace's own errors and interrupts are raised unchanged."""
    try:
        yield
    except (MillraceError, KeyboardInterrupt, GeneratorExit, SystemExit):
        raise
    except Exception as error:
        raise translate_error(error, action) from error


@contextlib.contextmanager
def translate_known_errors(action: str) -> Iterator[None]:
    """Translate known errors of the Azure clients in the ``with`` block. Other exceptions are raised unchanged."""
    try:
        yield
    except Exception as error:
        is_client_error = type(error).__module__.partition(".")[0] in _CLIENT_PACKAGES
        if is_client_error and identify_error(error) is not UNKNOWN_ERROR:
            raise translate_error(error, action) from error
        raise


def retry(call: Callable[[], T], action: str, attempts: int | None = None, sleep: Callable = time.sleep) -> T:
    """Call an idempotent function, and repeat it after failures that may pass.

    The SDKs repeat single requests themselves. This function repeats the calls that fail nevertheless: after seconds if
    a service is busy, after minutes if another operation is running or Azure has no free machine.

    Parameters
    ----------
    call : callable
    action : str
        The action as an infinitive without "to", for the error message.
    attempts : int, optional
        Maximum number of calls; by default as many as the last error's kind has pauses, and one.
    sleep : callable
        Waits for a number of seconds between two calls.

    Raises
    ------
    MillraceError
        The translated error of the last attempt, or of the first failure that is not transient.
    """
    for attempt in itertools.count():
        try:
            return call()
        except MillraceError:
            raise
        except Exception as error:
            waits = identify_error(error).waits
            if attempt >= len(waits) or (attempts is not None and attempt + 1 >= attempts):
                raise translate_error(error, action) from error
            sleep(_wait_seconds(error, waits[attempt]))
    raise AssertionError("unreachable")


def _wait_seconds(error: BaseException, default_seconds: float) -> float:
    """Return the seconds to wait before the next attempt: as ``Retry-After`` says, else the default."""
    for cause in _causes(error):
        headers = getattr(getattr(cause, "response", None), "headers", None) or {}
        try:
            return min(float(headers.get("Retry-After", "")), _MAX_WAIT_SECONDS)
        except (TypeError, ValueError):
            continue
    return default_seconds


def error_text(error: BaseException) -> str:
    """Return the message of an exception on one line, shortened if it is long."""
    text = str(getattr(error, "message", None) or error).strip()
    matches = (re.search(pattern, text, re.DOTALL) for pattern in _MESSAGE_PATTERNS)
    match = next(filter(None, matches), None)
    line = " ".join((match[1] if match else text).replace("\\n", " ").split())
    if len(line) > _MAX_TEXT_LENGTH:
        line = f"{line[:_MAX_TEXT_LENGTH]} ..."
    return line or type(error).__name__


def _statuses_and_text(error: BaseException) -> tuple[set[int], str]:
    """Return the HTTP statuses of an exception or a cause, and the texts of both.

    The search for a status ends at the first exception in the chain of causes that has one. The causes of this
    exception were handled: a 404, for example, made the caller create the missing resource.
    """
    statuses: set[int] = set()
    texts: list[str] = []
    for cause in _causes(error):
        code = getattr(getattr(cause, "error", None), "code", "") or getattr(cause, "error_code", "")
        request = getattr(getattr(cause, "response", None), "request", None)
        texts += [type(cause).__name__, str(code), str(cause), str(getattr(request, "url", ""))]
        statuses = set(_http_statuses(cause))
        if statuses:
            break
    text = "\n".join(texts)
    if not statuses:
        statuses = {int(status) for status in _STATUS_IN_TEXT.findall(text)[:1]}
    return statuses, text


def _http_statuses(error: Any) -> Iterator[int]:
    """Yield the HTTP error statuses of one exception, without its causes."""
    for status in (
        getattr(error, "status_code", None),
        getattr(getattr(error, "response", None), "status_code", None),
        # MLflow gives its local errors the status 500. Only a RestException comes from a server.
        error.get_http_status_code() if type(error).__name__ == "RestException" else None,
    ):
        if isinstance(status, int) and status >= 400:
            yield status


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and the chain of its causes, each exception once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = getattr(current, "inner_exception", None)
        current = inner if isinstance(inner, BaseException) else current.__cause__ or current.__context__
