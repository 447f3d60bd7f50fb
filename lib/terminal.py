"""Standard streams that never end a program: closed pipes, lost terminals and missing characters are tolerated."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


class TolerantStream(io.TextIOWrapper):
    """A text stream that discards its output after the first error, such as a closed pipe or a lost terminal."""

    def write(self, text: str) -> int:
        """Write a text. Characters that the encoding lacks are written as escape sequences."""
        try:
            return super().write(text)
        except OSError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        """Write all buffered text."""
        try:
            super().flush()
        except OSError:
            self._discard()

    def _discard(self) -> None:
        """Connect the stream's descriptor to the null device, where buffered and later output goes."""
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, self.fileno())
        os.close(null_device)


def protect_standard_streams() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by tolerant streams, unless something else has replaced them.

    A standard descriptor that is closed is connected to the null device. Otherwise the next file that is opened would
    get its number, and receive what programs print.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            null_device = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            os.set_inheritable(null_device, True)  # otherwise kernels would start with a closed stream
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None or (stream is getattr(sys, f"__{name}__") and not isinstance(stream, TolerantStream)):
            tolerant = _make_tolerant(stream, descriptor)
            setattr(sys, name, tolerant)
            setattr(sys, f"__{name}__", tolerant)


def _make_tolerant(stream: TextIO | None, descriptor: int) -> TolerantStream:
    if stream is None:  # the descriptor was closed when Python started
        stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    encoding, is_line_buffered = stream.encoding, getattr(stream, "line_buffering", True)
    stream.flush()
    return TolerantStream(
        stream.detach(),  # type: ignore[attr-defined]
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=is_line_buffered,
    )
