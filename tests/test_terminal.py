"""Standard streams: closed pipes, lost terminals, closed descriptors and encodings do not end a program."""

import os
import subprocess
import sys

import pytest

from lib.paths import ROOT

PROGRAM = "from lib.terminal import protect_standard_streams\nprotect_standard_streams()\nimport os, sys\n"
LAST = "\nwith open(sys.argv[1], 'w') as file:\n    file.write('to the end')"


def run(tmp_path, code, shell, **environment):
    """Run a program in a shell; return the exit code, what was printed, and whether the program ran to its end."""
    (tmp_path / "program.py").write_text(PROGRAM + code + LAST, encoding="utf-8")
    last = tmp_path / "last"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment, "LAST": str(last), "PYTHON": sys.executable},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr, last.exists()


@pytest.mark.parametrize(
    "shell",
    [
        '"$PYTHON" program.py "$LAST" | head -n 1',
        '"$PYTHON" program.py "$LAST" 2>&1 | true',
        '"$PYTHON" program.py "$LAST" >&-',
        '"$PYTHON" program.py "$LAST" 2>&-',
        '"$PYTHON" program.py "$LAST" <&- >&- 2>&-',
        '"$PYTHON" program.py "$LAST" > /dev/full 2>&1',
    ],
)
def test_program_runs_to_its_end(tmp_path, shell):
    code = "for number in range(20000):\n    print('line', number)\n    print('error', number, file=sys.stderr)"
    exit_code, printed, has_ended = run(tmp_path, code, shell)
    assert (exit_code, has_ended) == (0, True)
    assert b"Traceback" not in printed and b"Exception" not in printed


def test_closed_descriptors_are_not_given_to_files(tmp_path):
    code = "log = open(sys.argv[1] + '.log', 'w')\nprint('not in the file', flush=True)"
    assert run(tmp_path, code, '"$PYTHON" program.py "$LAST" >&-')[::2] == (0, True)
    assert (tmp_path / "last.log").read_text() == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_children_inherit_open_standard_streams(tmp_path, closed):
    child = "import os, sys; [os.fstat(number) for number in range(3)]; sys.stdout.flush(); sys.stderr.flush()"
    code = f"import subprocess\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert run(tmp_path, code, f'"$PYTHON" program.py "$LAST" {closed}')[::2] == (0, True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_missing_characters_are_written_as_escapes(tmp_path, encoding):
    code = "print('✓ Süd \\udcff')"
    exit_code, printed, has_ended = run(
        tmp_path, code, '"$PYTHON" program.py "$LAST"', PYTHONIOENCODING=encoding, PYTHONUTF8="0"
    )
    assert (exit_code, has_ended) == (0, True)
    expected = {"ascii": rb"\u2713 S\xfcd", "latin-1": b"\\u2713 S\xfcd", "utf-8": "✓ Süd".encode()}[encoding]
    assert printed.startswith(expected)
