"""The messages of `score` about rows that cannot be scored, and about files."""

from __future__ import annotations

import re

from lib.errors import format_count

_MAX_PRINTED_FAULTS = 10


class Counts:
    """Counts of the rows and of the faulty rows so far. The first faults are printed.

    Attributes
    ----------
    rows, faults : int
    """

    def __init__(self) -> None:
        self.rows = self.faults = 0

    def add(self, first_row: int, faults: list[str | None], file_name: str) -> None:
        """Count rows, given the fault of each row (None for a scored row), and print the first faults."""
        where = f"{file_name}, row" if file_name else "row"
        for position, fault in enumerate(faults):
            if fault is not None:
                self.faults += 1
                if self.faults <= _MAX_PRINTED_FAULTS:
                    print(f"{where} {first_row + position + 1}: {fault}")
        self.rows += len(faults)

    def report_more(self, out: str) -> None:
        """Print how many faults `add` did not print; `out` is the file that contains all of them."""
        if self.faults > _MAX_PRINTED_FAULTS:
            hidden = self.faults - _MAX_PRINTED_FAULTS
            print(f"... and {hidden:,} more. The column `fault` of {out} contains all of them.")


class Notes:
    """Sentences about files. A sentence about several files is returned once, with the number of files."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}
        self._first_sentences: dict[str, str] = {}

    def add(self, sentence: str, file_name: str) -> None:
        """Add a sentence about a file. Sentences that differ only in their numbers are treated as equal."""
        key = re.sub(r"\d[\d,]*", "", sentence)
        self._first_sentences.setdefault(key, sentence)
        files = self._files.setdefault(key, [])
        if file_name not in files:
            files.append(file_name)

    def sentences(self) -> list[str]:
        """Return the sentences in the order in which they were added first."""
        sentences = []
        for key, sentence in self._first_sentences.items():
            files = self._files[key]
            other_files = f" The same applies to {format_count(len(files) - 1, 'more file')}." if len(files) > 1 else ""
            sentences.append(f"{files[0]}: {sentence}{other_files}")
        return sentences
