"""Progress of a long command."""

import io
import time

import pytest

from lib.commands._progress import Progress


class Terminal(io.StringIO):
    """A file that claims to be a terminal."""

    def isatty(self):
        return True


def drawn(file, delay, seconds):
    """Return what is drawn during a step of some seconds."""
    with Progress(steps=2, file=file, delay=delay) as progress:
        progress.start_step("reading the table")
        time.sleep(seconds)
    return file.getvalue()


def test_long_step_is_drawn_on_a_terminal():
    assert "reading the table" in drawn(Terminal(), delay=0.01, seconds=0.5)


@pytest.mark.parametrize(("file", "delay"), [(Terminal(), 60), (io.StringIO(), 0.01)])
def test_short_steps_and_files_stay_without_a_bar(file, delay):
    assert "reading" not in drawn(file, delay, seconds=0.2)
