"""What holds after any fault, for a few runs of the soak; ``make soak`` repeats it with 40."""

import os
import shutil
import sys

import pytest

from tests.soak.__main__ import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("cc"),
        reason="a disk for each run needs root on Linux, and the clock a C compiler",
    ),
]


def test_records_are_true_and_nothing_is_left_after_faults(capsys):
    exit_code = main(["--runs", "4", "--seed", "1"])
    assert exit_code == 0, capsys.readouterr().out
