"""Progress of a long command."""

import io
import time

import pytest

from lib.commands._progress import Progress


class Terminal(io.StringIO):
    """A file that claims to be a terminal."""

    def isatty(self):
        return True


def test_long_step_is_drawn_on_a_terminal():
    file, deadline = Terminal(), time.monotonic() + 120
    with Progress(steps=2, file=file, delay=0.01) as progress:
        progress.start_step("reading the table")
        while "reading the table" not in file.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize(("file", "delay"), [(Terminal(), 60), (io.StringIO(), 0.01)])
def test_short_steps_and_files_stay_without_a_bar(file, delay):
    with Progress(steps=2, file=file, delay=delay) as progress:
        progress.start_step("reading the table")
        time.sleep(0.2)
    assert "reading" not in file.getvalue()
