"""Progress in the terminal: a line for each finished notebook and a live line for those that run."""

import io
import os
import pty
import re
import threading

import pytest

from lib.chain import progress
from lib.chain.progress import Progress


class Terminal:
    """A pseudo-terminal and the text written to it."""

    def __init__(self):
        self._ours, theirs = pty.openpty()
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")

    def text(self):
        """Close the writing end and return everything that was written."""
        self.stream.close()
        read = b""
        while True:
            try:
                part = os.read(self._ours, 4096)
            except OSError:  # Linux reports the end of a pseudo-terminal this way
                part = b""
            if not part:
                os.close(self._ours)
                return read.decode()
            read += part

    def lines(self):
        """Return the visible lines: what was written last on each."""
        return [line.split("\r\x1b[2K")[-1] for line in self.text().split("\r\n") if line]


def log_text(use, total=2):
    """Return the text that a `Progress` has written to a log file after `use` was called with it."""
    stream = io.StringIO()
    use(Progress(total, stream))
    return stream.getvalue()


def test_log_files_get_result_lines_only():
    stream = io.StringIO()
    with Progress(2, stream).running("setup"):
        assert stream.getvalue() == ""
    assert re.fullmatch(r"✓ \[1/2\] setup {24}\s+\d+\.\d s\n", stream.getvalue())


def test_skipped_notebooks_count_as_finished():
    text = log_text(lambda progress: progress.skip("train linear", "same as in 20261122-100000-shop"))
    assert re.fullmatch(r"✓ \[1/2\] train linear\s+same as in 20261122-100000-shop\n", text)


def test_notes_have_a_label_and_do_not_count():
    def use(progress):
        progress.note("train", "ValueError: no. Trying again.")
        progress.skip("train", "finished before")

    note, skipped = log_text(use).splitlines()
    assert note == "  train: ValueError: no. Trying again."
    assert skipped.startswith("✓ [1/2] train")


def test_terminal_keeps_a_line_with_the_duration():
    terminal = Terminal()
    shown = Progress(2, terminal.stream)
    for label in ("setup", "train gradient_boosting"):
        with shown.running(label):
            pass
    lines = terminal.lines()
    assert len(lines) == 2
    assert re.fullmatch(r"✓ \[1/2\] setup {24}\s+\d+\.\d s", lines[0])
    assert re.fullmatch(r"✓ \[2/2\] train gradient_boosting\s+\d+\.\d s", lines[1])


def test_failure_is_marked_and_raised():
    terminal = Terminal()
    with pytest.raises(ZeroDivisionError), Progress(1, terminal.stream).running("setup"):
        raise ZeroDivisionError
    assert terminal.lines()[0].startswith("✗ [0/1] setup")


def test_interrupt_is_marked():
    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress(1, terminal.stream).running("setup"):
        raise KeyboardInterrupt
    assert terminal.lines()[0].startswith("✗ [0/1] setup")


def test_live_line_is_refreshed(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.001)
    refreshed = threading.Event()

    class Counting(io.StringIO):
        def isatty(self):
            return True

        def write(self, text):
            if self.getvalue().count("…") > 2:
                refreshed.set()
            return super().write(text)

    with Progress(1, Counting()).running("setup"):
        assert refreshed.wait(timeout=30)


def refreshers():
    """Return the threads that refresh live lines."""
    return {thread for thread in threading.enumerate() if thread.name == "progress"}


def test_refresher_ends_after_the_last_notebook(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.001)
    terminal, before = Terminal(), refreshers()
    with Progress(1, terminal.stream).running("setup"):
        (refresher,) = refreshers() - before
    refresher.join(timeout=60)
    assert not refresher.is_alive()
    terminal.text()


def test_consecutive_notebooks_share_a_refresher(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 1)
    terminal, before = Terminal(), refreshers()
    shown = Progress(5, terminal.stream)
    for label in ("setup", "preprocess", "train", "evaluate", "deploy"):
        with shown.running(label):
            assert len(refreshers() - before) == 1
    for thread in refreshers() - before:
        thread.join(timeout=60)
    terminal.text()


def test_parallel_notebooks_share_the_live_line(monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.001)
    terminal, together, before = Terminal(), threading.Barrier(2), refreshers()
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
    for thread in refreshers() - before:
        thread.join(timeout=60)
    text = terminal.text()
    assert re.search(r"… \[0/2\] train (linear, train xgboost|xgboost, train linear)", text)
    ended = [line.split("\r\x1b[2K")[-1] for line in text.split("\r\n")]
    assert sorted(line[:7] for line in ended if line.startswith("✓")) == ["✓ [1/2]", "✓ [2/2]"]
    assert "  train linear: a word" in ended


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_other_encodings_get_other_symbols(encoding):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    with Progress(1, stream).running("setup"):
        pass
    assert written.getvalue().startswith(b"+ [1/1] setup")


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), BrokenPipeError(), ValueError("closed file")])
def test_lost_screen_does_not_end_the_run(error):
    class Lost(io.StringIO):
        def write(self, text):
            raise error

    shown = Progress(2, Lost())
    with shown.running("setup"):
        shown.note("setup", "a word")
    shown.skip("train", "finished before")


def test_dumb_terminal_gets_lines_only(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    with Progress(1, terminal.stream).running("setup"):
        pass
    assert "\x1b" not in terminal.text()


def test_running_line_fits_a_narrow_window(monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((20, 24)))
    terminal = Terminal()
    shown = Progress(1, terminal.stream)
    with shown.running("train with a long name"):
        shown.note("train", "a word")  # draws the line for the running notebook again
    drawn = [part for part in re.split(r"[\r\n]|\x1b\[2K", terminal.text()) if part.startswith("…")]
    assert drawn and max(map(len, drawn)) == 19
