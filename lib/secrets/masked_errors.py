"""Errors whose message contains no resolved secret, including the errors that caused them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from lib.errors import MillraceError
from lib.secrets import known_values


class MaskedError(Exception):
    """An error that replaces one whose message contained a secret; the message begins with the original type."""


@contextlib.contextmanager
def masked_errors() -> Iterator[None]:
    """Replace resolved secrets by their reference in each error of the ``with`` block, before anybody can read it.

    An error without secrets is raised unchanged.
    """
    try:
        yield
    except Exception as error:
        masked = mask_error(error)
        if masked is error:
            raise
        raise masked from masked.__cause__


def mask_error(error: BaseException) -> BaseException:
    """Return an error without secrets: the same one if its message can be masked, otherwise a `MaskedError`.

    Parameters
    ----------
    error : BaseException
        Its causes and notes are masked, too.

    Examples
    --------
    >>> known_values.remember("${SAS}", "sig=Zm9vYmFy")
    >>> mask_error(OSError(5, "failed", "https://store/x?sig=Zm9vYmFy"))
    OSError(5, 'failed')
    >>> str(mask_error(OSError(5, "failed", "https://store/x?sig=Zm9vYmFy")))
    "[Errno 5] failed: 'https://store/x?${SAS}'"
    >>> known_values.forget_all()
    """
    return _mask_chain(error, set())


def _mask_chain(error: BaseException, seen: set[int]) -> BaseException:
    seen.add(id(error))
    masked = _mask_single(error)
    for name in ("__cause__", "__context__"):
        linked = getattr(error, name)
        if linked is not None and id(linked) not in seen:
            is_suppressed = error.__suppress_context__
            replacement = _mask_chain(linked, seen)
            if replacement is not linked or masked is not error:
                setattr(masked, name, replacement)
                masked.__suppress_context__ = is_suppressed
    return masked


def _mask_single(error: BaseException) -> BaseException:
    if not any(map(_is_secret, _list_texts(error))):
        return error
    message = f"{type(error).__name__}: {known_values.mask(_to_text(error))}"
    notes = [known_values.mask(str(note)) for note in getattr(error, "__notes__", ())]
    with contextlib.suppress(Exception):  # an error of a library may forbid it
        _mask_attributes(error)
    if isinstance(error, MillraceError) or not any(map(_is_secret, _list_texts(error))):
        return error
    masked = MaskedError(message).with_traceback(error.__traceback__)
    for note in notes:
        masked.add_note(note)
    return masked


def _mask_attributes(error: BaseException) -> None:
    """Mask the arguments, the attributes and the notes of an error in place."""
    error.args = tuple(map(_mask_value, error.args))
    for name, value in list(vars(error).items()):
        setattr(error, name, _mask_value(value))
    if isinstance(error, OSError):
        for name in ("filename", "filename2", "strerror"):
            value = getattr(error, name)
            if value is not None:
                setattr(error, name, _mask_value(value))


def _mask_value(value: Any) -> Any:
    if isinstance(value, str):
        return known_values.mask(value)
    if isinstance(value, bytes):
        return known_values.mask(value.decode("utf-8", "replace")).encode() if _is_secret(repr(value)) else value
    if isinstance(value, list | tuple):
        elements = [_mask_value(element) for element in value]
        return elements if isinstance(value, list) else tuple(elements)
    if isinstance(value, dict):
        return {_mask_value(key): _mask_value(element) for key, element in value.items()}
    return known_values.mask(repr(value)) if _is_secret(_to_text(value)) or _is_secret(repr(value)) else value


def _list_texts(error: BaseException) -> list[str]:
    return [_to_text(error), repr(error), *map(str, getattr(error, "__notes__", ())), repr(vars(error))]


def _to_text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - the message of an error of a library may depend on its attributes
        return f"(its message cannot be shown: {type(error).__name__})"


def _is_secret(text: str) -> bool:
    return known_values.mask(text) != text
