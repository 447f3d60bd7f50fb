"""Explain: what an error of Azure means for a person, and whether trying once more can help.

The SDKs raise a dozen unrelated families of exceptions. All that counts is the status and the code of the answer, and
where neither is there, a few words of the text; `explanations` is the one table from those to what to do.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from lib.backends.azureml.known_errors import KNOWN_ERRORS, UNKNOWN_ERROR, KnownError
from lib.errors import MillraceError

T = TypeVar("T")
_ATTEMPTS = 5
_LONGEST_WAIT_SECONDS = 60.0
_LONGEST_TEXT = 600
_CLIENTS = ("azure", "azureml", "mlflow", "msal", "msrest", "requests", "urllib3")
_ABSENT = re.compile(r"not found|cannot find|does ?n.t exist|no dataset", re.IGNORECASE)
_STATUS_IN_TEXT = re.compile(
    r"(?:status(?:[ _]?code)?|HTTP(?:/1.1)?|error|code|failed)[\"': =(]{1,4}([45]\d\d)\b", re.IGNORECASE
)


def identify_error(error: BaseException) -> KnownError:
    """What an exception means, by everything that its chain of causes says."""
    statuses, text = _said(error)
    return next((one for one in KNOWN_ERRORS if one.fits(statuses, text)), UNKNOWN_ERROR)


def is_not_found(error: BaseException) -> bool:
    """Whether an exception says that what was looked for is not there."""
    statuses, text = _said(error)
    return 404 in statuses or (not statuses and _ABSENT.search(text) is not None)


def translate_error(error: BaseException, doing: str) -> MillraceError:
    """Error for a person.

    Parameters
    ----------
    error : Exception
        Of an SDK.
    doing : str
        What was tried: ``"find the workspace mlw"``.
    """
    found = identify_error(error)
    own = error_text(error)
    return found.kind(f"Azure ML: could not {doing}. {found.meaning} Azure says: {own}")


@contextlib.contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Raise what the body raises as an error for a person; those on purpose pass."""
    try:
        yield
    except (MillraceError, KeyboardInterrupt, GeneratorExit, SystemExit):
        raise
    except Exception as error:
        raise translate_error(error, doing) from error


@contextlib.contextmanager
def translate_known_errors(doing: str) -> Iterator[None]:
    """Explain what Azure is known to refuse; any other exception of the body, a mistake in its code, passes."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] in _CLIENTS and identify_error(error) is not UNKNOWN_ERROR:
            raise translate_error(error, doing) from error
        raise


def retry(call: Callable[[], T], doing: str, attempts: int = _ATTEMPTS, sleep: Callable = time.sleep) -> T:
    """Result of a call that may be repeated, tried again where the failure can pass.

    The SDKs repeat single requests themselves; this is for what they give up on, or never repeat.

    Raises
    ------
    MillraceError
        Explained, after the last attempt or at the first failure that stays.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except MillraceError:
            raise
        except Exception as error:
            if attempt == attempts or not identify_error(error).again:
                raise translate_error(error, doing) from error
            sleep(_wait_seconds(error, attempt))
    raise AssertionError("unreachable")


def _wait_seconds(error: BaseException, attempt: int) -> float:
    """What ``Retry-After`` asks for, else twice as long each time."""
    for one in _chain(error):
        headers = getattr(getattr(one, "response", None), "headers", None) or {}
        try:
            return min(float(headers.get("Retry-After", "")), _LONGEST_WAIT_SECONDS)
        except (TypeError, ValueError):
            continue
    return min(2.0 ** (attempt - 1), _LONGEST_WAIT_SECONDS)


def error_text(error: BaseException) -> str:
    """What an exception says, in one line: of azureml-core's many lines the message, else the beginning."""
    text = str(getattr(error, "message", None) or error).strip()
    patterns = (r"\"message\": \"(.+?)\"\s*[,}\n]", r"Message: (.+?)(?:\n\t?[A-Z]\w+ |\Z)")
    said = next(filter(None, (re.search(one, text, re.DOTALL) for one in patterns)), None)
    line = " ".join((said[1] if said else text).replace("\\n", " ").split())
    return (line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]} ...") or type(error).__name__


def _said(error: BaseException) -> tuple[set[int], str]:
    """Statuses and words of an exception and of what caused it, as far back as the first answer of Azure's."""
    statuses, words = set(), []
    for one in _chain(error):
        statuses = set(_statuses(one))
        code = getattr(getattr(one, "error", None), "code", "") or getattr(one, "error_code", "")
        words += [type(one).__name__, str(code), str(one)]
        response = getattr(one, "response", None)
        words.append(str(getattr(getattr(response, "request", None), "url", "")))
        if statuses:  # what came before it, a 404 that led to the attempt to make the thing, was dealt with
            break
    text = "\n".join(words)
    if not statuses:
        statuses = {int(one) for one in _STATUS_IN_TEXT.findall(text)[:1]}
    return statuses, text


def _statuses(error: Any) -> Iterator[int]:
    for value in (
        getattr(error, "status_code", None),
        getattr(getattr(error, "response", None), "status_code", None),
        # MLflow gives every error of its own the status 500; only a RestException's was on the wire.
        error.get_http_status_code() if type(error).__name__ == "RestException" else None,
    ):
        if isinstance(value, int) and value >= 400:
            yield value


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        inner = getattr(following, "inner_exception", None)
        following = inner if isinstance(inner, BaseException) else following.__cause__ or following.__context__
