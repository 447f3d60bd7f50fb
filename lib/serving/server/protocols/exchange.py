"""A request and its answer in Millrace's own JSON, and the interface of the other protocols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer

Headers = dict[bytes, bytes]
JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"
_SPARE_COLUMNS = 100
_CHARSET = re.compile(r'charset\s*=\s*"?([\w-]+)"?', re.IGNORECASE)


class Reply(NamedTuple):
    """An answer as a client gets it.

    Attributes
    ----------
    status : int
        HTTP status.
    content : bytes
    content_type : bytes
    headers : sequence of (bytes, bytes)
        Further headers.
    """

    status: int
    content: bytes
    content_type: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


class Exchange:
    """One request in Millrace's own JSON, which needs no translation.

    Attributes
    ----------
    is_translated : bool
        Whether `to_request` and `to_reply` do any work.
    """

    is_translated = False

    def to_request(self, body: bytes) -> bytes:
        """Return the body of a request in Millrace's own JSON.

        Raises
        ------
        RequestError
            If the body does not follow the protocol.
        """
        return body

    def to_reply(self, answer: Answer) -> Reply:
        """Return a worker's answer in this protocol."""
        return Reply(answer.status, answer.content)

    def to_error(self, error: RequestError) -> Reply:
        """Return an error in this protocol."""
        return Reply(error.status, msgspec.json.encode(error.content()))


def read_error(answer: Answer) -> RequestError:
    """Return the error in an answer of a worker whose status is not 200."""
    error = msgspec.json.decode(answer.content)["error"]
    return RequestError(answer.status, error["code"], error["message"], error.get("faults"))


def check_size(row_count: int, column_count: int, model_column_count: int, max_rows: int) -> None:
    """Check the size of a table before it is translated, which would take long for a very large one.

    The worker checks the names of the columns; this function only refuses far too many.

    Raises
    ------
    RequestError
        With status 413 or 422.
    """
    if row_count > max_rows:
        raise RequestError(413, "too_many_rows", f"The request has {row_count} rows; the maximum is {max_rows}.")
    if column_count > 2 * model_column_count + _SPARE_COLUMNS:
        message = f"The request has {column_count} columns; the model has {model_column_count}."
        raise RequestError(422, "wrong_columns", message)


def to_rows(names: Sequence[str], rows: Sequence[Any]) -> bytes:
    """Return a request in Millrace's own JSON with rows as lists of values in the order of the names."""
    return msgspec.json.encode({"input_data": {"columns": names, "data": rows}})


def check_content_type(headers: Headers, allowed: Sequence[str], parameters: Sequence[str] | None = None) -> str:
    """Return the type of a request's body.

    Parameters
    ----------
    headers : dict
    allowed : sequence of str
        The types that the route accepts.
    parameters : sequence of str, optional
        The parameters that the header may have; any by default.

    Raises
    ------
    RequestError
        With status 415, if the type is another one, or the body is compressed or not UTF-8.
    """
    content_type = headers.get(b"content-type", b"")
    media_type, _, rest = content_type.decode("latin-1").partition(";")
    media_type = media_type.strip().lower()
    charset = _CHARSET.search(rest)
    if media_type not in allowed or (charset and charset[1].lower() not in ("utf-8", "utf8")):
        listed = " or ".join(allowed)
        raise RequestError(415, "not_json", f"Send {listed} in UTF-8, and say so in the header Content-Type.")
    names = [pair.partition("=")[0].strip().lower() for pair in rest.split(";") if pair.strip()]
    if parameters is not None and (unknown := [name for name in names if name not in parameters]):
        raise RequestError(415, "not_json", f"The header Content-Type has the unknown parameter {unknown[0]!r}.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestError(415, "encoded", "Send an uncompressed body, without a Content-Encoding.")
    return media_type


def wants_csv(headers: Headers) -> bool:
    """Return whether a client asks for CSV and not for JSON.

    >>> wants_csv({b"accept": b"text/csv;q=0.9"}), wants_csv({b"accept": b"*/*"}), wants_csv({})
    (True, False, False)
    """
    accepted = headers.get(b"accept", b"").decode("latin-1").lower()
    return CSV in accepted and JSON not in accepted
