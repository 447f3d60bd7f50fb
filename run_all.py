"""The command line of Millrace: ``run_all.py --params parameters/my.yaml``; see ``run_all.py --help``."""

import os
import sys

OLDEST_PYTHON = (3, 11)


def advise(problem):
    """Return a sentence that says what is wrong with this Python, and which one to use instead."""
    folder = os.path.dirname(os.path.abspath(__file__))
    python = os.path.join(".venv", "Scripts" if os.name == "nt" else "bin", "python")
    has_environment = os.path.exists(os.path.join(folder, python)) and sys.prefix != os.path.join(folder, ".venv")
    advice = f"use {python} instead" if has_environment else f"run `make install`, then use {python}"
    return f"run_all.py: {sys.executable} {problem}: {advice}."


def run():
    """Run the command line, and return the exit code, or a sentence if this Python cannot run it.

    Old versions of Python have to get this far, so this file uses the syntax of Python 3.6 only.
    """
    if sys.version_info < OLDEST_PYTHON:
        return advise(f"is Python {sys.version_info[0]}.{sys.version_info[1]}, and Millrace needs 3.11 or newer")
    try:
        from lib.commands import main

        return main()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "lib", "custom"):
            raise
        return advise(f"lacks the package {package}")


if __name__ == "__main__":
    result = run()
    if isinstance(result, str):
        print(result, file=sys.stderr)
        result = 2
    sys.exit(result)
