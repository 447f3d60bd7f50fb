"""What a person sees: a line for each notebook that has ended, and on a terminal what runs."""

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


def shown_without_a_terminal(use, total=2):
    """What stands in a log file at the end."""
    stream = io.StringIO()
    use(Progress(total, stream))
    return stream.getvalue()


def test_without_a_terminal_there_are_the_lines_and_nothing_that_moves():
    stream = io.StringIO()
    with Progress(2, stream).running("setup"):
        assert stream.getvalue() == ""
    assert re.fullmatch(r"✓ \[1/2\] setup {24}\s+\d+\.\d s\n", stream.getvalue())


def test_what_need_not_run_counts_as_done():
    text = shown_without_a_terminal(lambda progress: progress.skip("train linear", "as in 20261122-100000-shop"))
    assert re.fullmatch(r"✓ \[1/2\] train linear\s+as in 20261122-100000-shop\n", text)


def test_what_is_said_of_a_notebook_bears_its_name_and_counts_for_nothing():
    def use(progress):
        progress.note("train", "ValueError: no. It is tried again.")
        progress.skip("train", "done before")

    said, skipped = shown_without_a_terminal(use).splitlines()
    assert said == "  train: ValueError: no. It is tried again."
    assert skipped.startswith("✓ [1/2] train")


def test_on_a_terminal_each_stage_leaves_a_line_with_its_time():
    terminal = Terminal()
    shown = Progress(2, terminal.stream)
    for label in ("setup", "train gradient_boosting"):
        with shown.running(label):
            pass
    lines = terminal.lines()
    assert len(lines) == 2
    assert re.fullmatch(r"✓ \[1/2\] setup {24}\s+\d+\.\d s", lines[0])
    assert re.fullmatch(r"✓ \[2/2\] train gradient_boosting\s+\d+\.\d s", lines[1])


def test_a_stage_that_fails_is_marked_and_its_error_goes_on():
    terminal = Terminal()
    with pytest.raises(ZeroDivisionError), Progress(1, terminal.stream).running("setup"):
        raise ZeroDivisionError
    assert terminal.lines()[0].startswith("✗ [0/1] setup")


def test_an_interrupt_leaves_a_line_too():
    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress(1, terminal.stream).running("setup"):
        raise KeyboardInterrupt
    assert terminal.lines()[0].startswith("✗ [0/1] setup")


def test_the_time_goes_on_while_a_stage_runs(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.001)
    ticked = threading.Event()

    class Counting(io.StringIO):
        def isatty(self):
            return True

        def write(self, text):
            if self.getvalue().count("…") > 2:
                ticked.set()
            return super().write(text)

    with Progress(1, Counting()).running("setup"):
        assert ticked.wait(timeout=30)


def ticking():
    return {one for one in threading.enumerate() if one.name == "progress"}


def test_nothing_ticks_after_the_last_notebook(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.001)
    terminal, before = Terminal(), ticking()
    with Progress(1, terminal.stream).running("setup"):
        (mine,) = ticking() - before
    mine.join(timeout=60)
    assert not mine.is_alive()
    terminal.text()


def test_notebooks_that_follow_at_once_do_not_each_leave_a_thread_that_ticks(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 1)
    terminal, before = Terminal(), ticking()
    shown = Progress(5, terminal.stream)
    for label in ("setup", "preprocess", "train", "evaluate", "deploy"):
        with shown.running(label):
            assert len(ticking() - before) == 1
    for one in ticking() - before:
        one.join(timeout=60)
    terminal.text()


def test_those_that_run_side_by_side_stand_in_one_line_and_each_leaves_its_own(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.001)
    terminal, together, before = Terminal(), threading.Barrier(2), ticking()
    shown = Progress(2, terminal.stream)

    def run(label):
        with shown.running(label):
            together.wait(timeout=60)
            together.wait(timeout=60)

    other = threading.Thread(target=run, args=("train linear",))
    other.start()
    with shown.running("train xgboost"):
        together.wait(timeout=60)
        shown.note("train linear", "a word")  # written while both run, and what runs is shown again after it
        together.wait(timeout=60)
    other.join()
    for one in ticking() - before:
        one.join(timeout=60)
    text = terminal.text()
    assert re.search(r"… \[0/2\] train (linear, train xgboost|xgboost, train linear)", text)
    ended = [line.split("\r\x1b[2K")[-1] for line in text.split("\r\n")]
    assert sorted(line[:7] for line in ended if line.startswith("✓")) == ["✓ [1/2]", "✓ [2/2]"]
    assert "  train linear: a word" in ended
