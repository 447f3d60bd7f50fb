"""Texts that a cell writes to its standard streams, merged into few outputs."""

from __future__ import annotations

import time
from typing import Any

from nbformat import NotebookNode

from lib.chain.screen import Screen

_FLUSH_SECONDS = 5


class CellStreams:
    """The stream outputs of the running cell.

    A kernel sends a message for each piece of text. Merging them saves space, and a progress bar becomes one line.
    """

    def __init__(self) -> None:
        self._screens: dict[int, tuple[Any, Screen]] = {}  # by id of the output
        self._flush_time = 0.0

    def add(self, outputs: list[Any], name: str, text: str) -> Any:
        """Add a text of a stream to the outputs of the cell, and return it as an output of its own.

        Parameters
        ----------
        outputs : list
            Outputs of the cell; the last one is extended if the text continues it.
        name : str
            ``"stdout"`` or ``"stderr"``.
        text : str
        """
        output = self._find_continued(outputs, name, text)
        if output is None:
            output = NotebookNode(output_type="stream", name=name, text="")
            outputs.append(output)
            self._screens[id(output)] = output, Screen()
        self._screens[id(output)][1].write(text)
        return NotebookNode(output_type="stream", name=name, text=text)

    def flush_if_due(self) -> None:
        """Set the texts of the outputs, but not more often than every few seconds."""
        if self._screens and time.monotonic() - self._flush_time > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Set the texts of the outputs."""
        for output, screen in self._screens.values():
            output["text"] = screen.text
        self._flush_time = time.monotonic()

    def close(self) -> None:
        """Set the texts of the outputs; the cell has ended."""
        self.flush()
        self._screens.clear()

    def _find_continued(self, outputs: list[Any], name: str, text: str) -> Any:
        """Return the output that a text continues, or None.

        This is the last output, if it is of the same stream. If texts of the two streams alternate, it is the last one
        of this stream, provided that the text overwrites or continues a line, as progress bars do.
        """
        for distance, output in enumerate(reversed(outputs)):
            if output["output_type"] != "stream" or id(output) not in self._screens:
                return None
            if output["name"] == name:
                is_continued = text.startswith("\r") or self._screens[id(output)][1].ends_in_line
                return output if distance == 0 or is_continued else None
        return None
