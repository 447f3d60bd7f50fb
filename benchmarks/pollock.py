"""Score of the text reader on the Pollock benchmark of malformed CSV files (Vitagliano et al., PVLDB 16(8), 2023).

    python -m benchmarks.pollock FOLDER [--weights pollock_weights.json] [--worst N]

A folder has ``csv/`` (files as found) and ``clean/`` (the same tables as a person would write them). Ten numbers
between 0 and 1 are summed: whether the file was read, and precision, recall and F1 of header cells, records and all
cells, as multisets. Header and records are compared as normalised text, cells exactly as they are written, and line
breaks within values are all alike, as in the benchmark's own script. The reader gets no hint: dialect and header are
detected. https://github.com/HPI-Information-Systems/Pollock
"""

import argparse
import csv
import json
import os
import re
import sys
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import ClassVar

import dateutil.parser

from lib.errors import InputError
from lib.tables.files import text_rows

MEASURES = ("success", *(f"{part} {rate}" for part in ("header", "record", "cell") for rate in ("P", "R", "F1")))
SHOWN = ("success", "header F1", "record F1", "cell F1")
TRUE, FALSE = "true", "false"
_PRICE = re.compile(r"([$€£¥]) ?(\d[\d.,]*)")
_LINE_BREAK = re.compile("\r\n?")
# "row_more_sep_row12_col3" -> "row_more_sep"
_POSITION = re.compile(r"_?(row)?(?<![0-9A-Fx])\d+(_0x[0-9A-F]+|_col\d+)?$")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("MILLRACE_POLLOCK"), type=Path)
    parser.add_argument("--weights", type=Path, help="JSON file of weights by file name: frequencies in the wild")
    parser.add_argument("--worst", type=int, default=0, help="list this many files with the lowest scores")
    arguments = parser.parse_args()
    if arguments.folder is None:
        print("Give a folder with csv/ and clean/, or set MILLRACE_POLLOCK to it.")
        return
    weights = json.loads(arguments.weights.read_text()) if arguments.weights else {}
    scores, messages = {}, {}
    for file in sorted((arguments.folder / "csv").iterdir()):
        scores[file.name], messages[file.name] = score_file(file, arguments.folder / "clean" / file.name)
    print_by_kind(scores)
    print(f"\n{len(scores)} files, unweighted: {mean([sum(score) for score in scores.values()]):.3f}")
    if weights.keys() & scores.keys():
        weighted = [(sum(score), weights[name]) for name, score in scores.items() if name in weights]
        total = sum(weight for _, weight in weighted)
        print(f"{len(weighted)} files, weighted: {sum(score * weight for score, weight in weighted) / total:.3f}")
    for name in sorted(scores, key=lambda name: sum(scores[name]))[: arguments.worst]:
        print(f"{sum(scores[name]):.3f} {name}: {messages[name]}")


def score_file(file, clean):
    """Return the ten numbers of a file, and the reader's notes or its error."""
    expected = read_clean(clean)
    try:
        table = text_rows.read_table(file)
    except InputError as error:
        return [0.0] * len(MEASURES), str(error)
    except Exception as error:
        print(f"{file.name}: {type(error).__name__}: {error}", file=sys.stderr)
        raise
    actual = [*([table.header] if table.header else []), *table.rows]
    return [1.0, *rate(expected, actual)], " ".join(table.notes)


def read_clean(path):
    with path.open(encoding="utf-8-sig") as file:  # universal newlines: "\r\n" within a value becomes "\n"
        return list(csv.reader(file))


def rate(expected, actual):
    """Return precision, recall and F1 of header, records and cells. The benchmark rates an empty expectation as 1."""
    if not expected:
        return [1.0] * 9
    actual = [[_LINE_BREAK.sub("\n", cell) for cell in row] for row in actual]
    return [
        *compare(map(normalize, expected[0]), map(normalize, actual[0] if actual else [])),
        *compare(map(join_normalized, expected[1:]), map(join_normalized, actual[1:])),
        *compare((cell for row in expected for cell in row), (cell for row in actual for cell in row)),
    ]


def join_normalized(row):
    return "".join(map(normalize, row))


def compare(expected, actual):
    """Return precision, recall and F1 of two multisets of texts."""
    expected, actual = Counter(expected), Counter(actual)
    if not expected:
        return 1.0, 1.0, 1.0
    shared = (expected & actual).total()
    if not shared:
        return 0.0, 0.0, 0.0
    # The benchmark's own naming: its precision divides by the expected number, its recall by the actual one.
    precision, recall = shared / expected.total(), shared / actual.total()
    return precision, recall, 2 * precision * recall / (precision + recall)


class DateParts(dateutil.parser.parserinfo):
    """The characters that the benchmark allows between the parts of a date; no words such as "of" or "at"."""

    JUMP: ClassVar = [*" .,;-/'"]


@cache
def normalize(cell):
    """Return a cell as comparable text: booleans as 0 or 1, numbers and dates in one notation, others in lower case.

    A cell with a price is compared by the price alone.
    Values that run together where a separator is missing do not normalize to the values joined.
    """
    text = cell.strip()
    if text.lower() in (TRUE, FALSE):
        return str(int(text.lower() == TRUE))
    try:
        return str(int(text))
    except ValueError:
        pass
    try:
        return str(float(text))
    except ValueError:
        pass
    try:
        return str(dateutil.parser.parse(cell, _DATE_PARTS, default=_DEFAULT_DATE))
    except (ValueError, OverflowError, TypeError):
        price = _PRICE.search(cell)
        return price[1] + price[2] if price else cell.lower()


_DATE_PARTS, _DEFAULT_DATE = DateParts(), datetime(2000, 1, 1)


def kind_of(name):
    """Return the kind of pollution from a file name."""
    return _POSITION.sub("", name.rpartition(".")[0]) if name.startswith(("file_", "row_", "source")) else "real files"


def print_by_kind(scores):
    kinds = {}
    for name, score in scores.items():
        kinds.setdefault(kind_of(name), []).append(score)
    print(f"| kind | files | score | {' | '.join(SHOWN)} |\n{'| --- ' * (3 + len(SHOWN))}|")
    for kind, kind_scores in sorted(kinds.items()):
        means = [mean(column) for column in zip(*kind_scores, strict=True)]
        columns = " | ".join(f"{means[MEASURES.index(name)]:.3f}" for name in SHOWN)
        print(f"| {kind} | {len(kind_scores)} | {sum(means):.3f} | {columns} |")


def mean(numbers):
    return sum(numbers) / len(numbers)


if __name__ == "__main__":
    main()
