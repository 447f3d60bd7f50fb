"""What a person sees: a line a stage on a terminal, and nothing elsewhere."""

import io
import os
import pty
import re
import threading

import pytest

from lib.chain import progress
from lib.chain.progress import Progress


class Terminal:
    """A pseudo-terminal, and what was written to it."""

    def __init__(self):
        self._ours, theirs = pty.openpty()
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")

    def text(self):
        """Close the writing end, and read to the end."""
        self.stream.close()
        read = b""
        while True:
            try:
                part = os.read(self._ours, 4096)
            except OSError:  # how Linux tells the end of a pseudo-terminal
                part = b""
            if not part:
                os.close(self._ours)
                return read.decode()
            read += part

    def lines(self):
        """What stands there at the end: of each line what was written last."""
        return [line.split("\r\x1b[2K")[-1] for line in self.text().split("\r\n") if line]


def test_without_a_terminal_there_is_silence():
    stream = io.StringIO()
    with Progress(1, stream).step("setup"):
        pass
    assert stream.getvalue() == ""


def test_on_a_terminal_each_stage_leaves_a_line_with_its_time():
    terminal = Terminal()
    shown = Progress(2, terminal.stream)
    for label in ("setup", "train gradient_boosting"):
        with shown.step(label):
            pass
    lines = terminal.lines()
    assert len(lines) == 2
    assert re.fullmatch(r"✓ \[1/2\] setup {24}\s+\d+\.\d s", lines[0])
    assert re.fullmatch(r"✓ \[2/2\] train gradient_boosting\s+\d+\.\d s", lines[1])


def test_a_stage_that_fails_is_marked_and_its_error_goes_on():
    terminal = Terminal()
    with pytest.raises(ZeroDivisionError), Progress(1, terminal.stream).step("setup"):
        raise ZeroDivisionError
    assert terminal.lines()[0].startswith("✗ [1/1] setup")


def test_an_interrupt_leaves_a_line_too():
    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress(1, terminal.stream).step("setup"):
        raise KeyboardInterrupt
    assert terminal.lines()[0].startswith("✗ [1/1] setup")


def test_the_time_goes_on_while_a_stage_runs(monkeypatch):
    monkeypatch.setattr(progress, "_TICK_SECONDS", 0.001)
    ticked = threading.Event()

    class Counting(io.StringIO):
        def isatty(self):
            return True

        def write(self, text):
            if self.getvalue().count("…") > 2:
                ticked.set()
            return super().write(text)

    with Progress(1, Counting()).step("setup"):
        assert ticked.wait(timeout=30)


def test_nothing_ticks_after_a_stage():
    before = threading.active_count()
    terminal = Terminal()
    with Progress(1, terminal.stream).step("setup"):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    terminal.text()
