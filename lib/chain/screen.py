"""The text that a terminal shows after a program has written to it."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\r\b\x1b]")
# Text without control characters, a sequence that moves the cursor or erases the line, or a single control character.
_TOKEN = re.compile(r"(?P<text>[^\r\n\b\x1b]+)|\x1b\[(?P<count>\d*)(?P<command>[ABCDK])|(?P<character>[\s\S])")


class Screen:
    r"""Text with the effects of carriage returns, backspaces and cursor movements.

    A progress bar overwrites its line, so that only the last state of the bar remains.

    Examples
    --------
    >>> screen = Screen()
    >>> screen.write("start\n 10%")
    >>> screen.write("\r100%\nend")
    >>> screen.text
    'start\n100%\nend'
    """

    def __init__(self) -> None:
        self._lines = [""]
        self._row = self._column = 0

    @property
    def text(self) -> str:
        """The text that the terminal shows."""
        return "\n".join(self._lines)

    @property
    def ends_in_line(self) -> bool:
        """Whether the cursor is not at the beginning of a line."""
        return self._column > 0 or self._row < len(self._lines) - 1

    def write(self, text: str) -> None:
        """Write a text at the cursor."""
        is_at_end = self._row == len(self._lines) - 1 and self._column == len(self._lines[-1])
        if is_at_end and not _CONTROL.search(text):
            first, *others = text.split("\n")
            self._lines[-1] += first
            self._lines += others
            self._row, self._column = len(self._lines) - 1, len(self._lines[-1])
            return
        for token in _TOKEN.finditer(text):
            if token["text"]:
                self._overwrite(token["text"])
            elif token["command"]:
                self._move(token["command"], int(token["count"] or 1))
            else:
                self._control(token["character"])

    def _overwrite(self, text: str) -> None:
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + text + line[self._column + len(text) :]
        self._column += len(text)

    def _control(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row, self._column = self._row + 1, 0
            if self._row == len(self._lines):
                self._lines.append("")
        elif character == "\b":
            self._column = max(0, self._column - 1)
        else:  # the beginning of another escape sequence, such as a color
            self._overwrite(character)

    def _move(self, command: str, count: int) -> None:
        """Move the cursor up (A), down (B), right (C) or left (D), or erase the rest of the line (K)."""
        if command == "A":
            self._row = max(0, self._row - count)
        elif command == "B":
            self._row = min(len(self._lines) - 1, self._row + count)
        elif command == "C":
            self._column += count
        elif command == "D":
            self._column = max(0, self._column - count)
        else:
            self._lines[self._row] = self._lines[self._row][: self._column]
