"""The run that a command is about."""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.chain import record as records
from lib.commands import _arguments
from lib.errors import DataError, suggest
from lib.paths import display_path, resolve


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the optional folder of a run, and the options that determine ``runs_folder``."""
    parser.add_argument("run", nargs="?", help="the run's folder; by default the newest run in runs_folder")
    _arguments.add_parameter_options(parser)


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that determine ``runs_folder``."""
    _arguments.add_parameter_options(parser)


def find_runs_folder(options: argparse.Namespace) -> Path:
    """Return the folder of all runs."""
    return resolve(_arguments.load_layers(options, announce=False).values["runs_folder"])


def find_named_run(name: str, options: argparse.Namespace) -> Path:
    """Return the folder of a run that is given by its path, or by its name in ``runs_folder``.

    Raises
    ------
    DataError
        If there is no such run. The message suggests the most similar name.
    """
    folder = resolve(name)
    if (folder / records.RECORD).is_file():
        return folder
    runs_folder = find_runs_folder(options)
    if (runs_folder / name / records.RECORD).is_file():
        return runs_folder / name
    names = [run.name for run in records.list_newest_first(runs_folder)]
    raise DataError(
        f"There is no run {name}, neither as a folder nor in {display_path(runs_folder)}. "
        f"{suggest(name, names) if names else ''}".rstrip()
    )


def find_run(options: argparse.Namespace) -> Path:
    """Return the folder of the run that the command line names, or of the run that was written to last.

    Raises
    ------
    DataError
        If the command line names no run and there is none.
    """
    if options.run:
        return resolve(options.run)
    runs_folder = find_runs_folder(options)
    folders = records.list_newest_first(runs_folder)
    if not folders:
        raise DataError(f"There is no run in {display_path(runs_folder)}.")
    return max(folders, key=lambda folder: (folder / records.RECORD).stat().st_mtime_ns)
