"""Rows and answers in CSV (RFC 4180): a header with column names, commas, points as decimal separators."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from lib.scoring.cells import csv_value
from lib.scoring.columns import Column
from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer
from lib.serving.server.protocols.exchange import Exchange, Reply, check_size, to_rows

_CSV_TYPE = b"text/csv; charset=utf-8"


class CsvExchange(Exchange):
    """A request whose rows, whose answer, or both are CSV.

    Parameters
    ----------
    columns : sequence of Column
        The model's inputs.
    max_rows : int
        The maximum number of rows.
    has_csv_rows, has_csv_answer : bool
        Which of both is CSV; the other is Millrace's own JSON.
    """

    is_translated = True

    def __init__(self, columns: Sequence[Column], max_rows: int, has_csv_rows: bool, has_csv_answer: bool):
        self._columns, self._max_rows = columns, max_rows
        self._has_csv_rows, self._has_csv_answer = has_csv_rows, has_csv_answer

    def to_request(self, body: bytes) -> bytes:
        """Return the rows of a CSV text as JSON."""
        return parse_rows(body, self._columns, self._max_rows) if self._has_csv_rows else body

    def to_reply(self, answer: Answer) -> Reply:
        """Return a worker's answer; errors are JSON."""
        if answer.status != 200 or not self._has_csv_answer:
            return super().to_reply(answer)
        return Reply(200, write_answer(msgspec.json.decode(answer.content)), _CSV_TYPE)


def parse_rows(body: bytes, columns: Sequence[Column], max_rows: int) -> bytes:
    """Return the rows of a CSV text as a request in Millrace's own JSON.

    Raises
    ------
    RequestError
        With status 400, if the text is not CSV in UTF-8, and 413 or 422, if it is too large.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(400, "not_utf8", f"The CSV is not UTF-8: byte {error.start} cannot be decoded.") from None
    try:
        lines = (line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line)
        names = next(lines, [])
        check_size(0, len(names), len(columns), max_rows)
        rows = list(itertools.islice(lines, max_rows))
        check_size(len(rows) + sum(1 for _ in lines), 0, 0, max_rows)
    except csv.Error as error:
        raise RequestError(400, "not_csv", f"The body is not CSV: {error}.") from None
    if not names:
        raise RequestError(400, "not_csv", "The CSV is empty; expected a header with the names of the columns.")
    by_name = {column.name: column for column in columns}
    known = [by_name.get(name) for name in names]
    table = [
        [cell if column is None else csv_value(column, cell) for column, cell in zip(known, row, strict=False)]
        + row[len(names) :]
        for row in rows
    ]
    return to_rows(names, table)


def write_answer(answer: dict[str, Any]) -> bytes:
    """Return an answer as CSV with a line for each row: prediction, probabilities, interval or set, and warnings.

    The columns have the names that ``run_all.py score`` gives them.
    """
    predictions, classes = answer["predictions"], answer.get("classes") or []
    columns: dict[str, list] = {"prediction": predictions}
    for position, label in enumerate(classes):
        columns[f"probability_{label}"] = [row[position] for row in answer["probabilities"]]
    if "intervals" in answer:
        for position, name in enumerate(("prediction_low", "prediction_high")):
            columns[name] = [None if row is None else row[position] for row in answer["intervals"]]
    if "sets" in answer:
        columns["prediction_set"] = [None if row is None else " | ".join(map(str, row)) for row in answer["sets"]]
    if "warnings" in answer:
        texts = [""] * len(predictions)
        for warning in answer["warnings"]:
            clause = f"column {warning['column']!r}: got {warning['got']}, expected {warning['expected']}"
            texts[warning["row"]] += ("; " if texts[warning["row"]] else "") + clause
        columns["warnings"] = texts
    output = io.StringIO(newline="")
    writer = csv.writer(output)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return output.getvalue().encode()
