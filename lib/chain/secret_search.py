"""The search for secrets in everything that a run has written: each one is redacted, and the run fails."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lib import backends, storage_errors
from lib.chain import fingerprint, run_folder
from lib.chain import record as records
from lib.chain.record import RunRecord
from lib.errors import MillraceError, StageError
from lib.parameters import Parameters
from lib.paths import resolve
from lib.secrets import files, redaction, references

_ADVICE = "It was redacted. Remove it from the code, and replace it by a new one if others could read it."


class SecretFound(StageError):
    """A secret stood in something that a run has written; it is redacted by now."""


def remember_secrets(parameters: Parameters) -> None:
    """Remember the secrets that the parameters refer to, as far as this process can read them."""
    values = dict(parameters)
    references.remember_environment(values)
    vault = [name for name in references.find_references(values) if name.startswith(f"{references.KEY_VAULT}:")]
    if vault:
        backend = backends.connect(parameters)
        for reference in vault:
            references.resolve(reference, backend.read_secret)


def describe(secrets_by_cell: Mapping[int, Iterable[str]]) -> str:
    """Return a sentence about secrets in the cells of a notebook; empty if there are none.

    Examples
    --------
    >>> describe({4: ["env:TOKEN"]}).partition(". ")[0]
    'cell [4] contained a secret (env:TOKEN)'
    """
    places = [
        f"{f'cell [{number}]' if number else 'its text'} contained a secret ({', '.join(dict.fromkeys(secrets))})"
        for number, secrets in sorted(secrets_by_cell.items())
    ]
    return f"{'; '.join(places)}. {_ADVICE}" if places else ""


def search_notebook(executed: Path) -> str:
    """Redact an executed notebook and its log, and return a sentence about the secrets; empty if there are none."""
    if not executed.is_file():
        return ""
    try:
        found = files.redact_notebook(executed, include_marks=True)
    except (ValueError, KeyError, TypeError):  # the process was killed while it wrote the file
        found = {0: secrets} if (secrets := files.redact_file(executed)) else {}
    log = executed.with_suffix(".log")
    if log.is_file() and (secrets := files.redact_file(log)) and not found:
        found = {0: secrets}
    return describe(found)


def search_run(record: RunRecord, parameters: Parameters) -> None:
    """Redact everything that a run has written so far.

    Raises
    ------
    SecretFound
        If there was a secret. The message names the stage or the file of each.
    """
    found = [*_search_folder(record), *_search_outputs(record, resolve(parameters.workspace))]
    found += backends.redact_tracking(parameters, record.name)
    if found:
        sentences = [f"{place} contained a secret ({secret})." for place, secret in found]
        raise SecretFound("\n".join([*sentences, _ADVICE]))


def _search_folder(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Redact the files of the run's folder, and yield the place and the kind of each secret."""
    stages = {entry["notebook"]: entry["stage"] for entry in records.read(record.folder)["stages"]}
    if secrets := record.redact():
        yield records.RECORD, ", ".join(dict.fromkeys(secrets))
    for file in sorted(record.folder.rglob("*")):
        name = file.relative_to(record.folder).as_posix()
        if not file.is_file() or name in (records.RECORD, run_folder.LOCK) or file.suffix == ".part":
            continue
        if file.suffix == ".ipynb":
            for number, secrets in files.redact_notebook(file).items():
                place = f"{stages.get(name, name)}: {f'cell [{number}]' if number else 'a text'} of {name}"
                yield place, ", ".join(dict.fromkeys(secrets))
        elif secrets := files.redact_file(file):
            yield name, ", ".join(dict.fromkeys(secrets))


def _search_outputs(record: RunRecord, workspace: Path) -> Iterator[tuple[str, str]]:
    """Redact the text files that the outputs of the stages name, such as the baseline."""
    for entry in records.read(record.folder)["stages"]:
        for name, value in entry.get("outputs", {}).items():
            paths = [fingerprint.existing_path(address) for address in fingerprint.find_files(value)]
            for file in paths:
                # Files elsewhere, such as the table, belong to somebody else.
                if file is None or not file.is_file() or not file.resolve().is_relative_to(workspace.resolve()):
                    continue
                if secrets := files.redact_file(file):
                    yield f"{entry['stage']}: {name}", ", ".join(dict.fromkeys(secrets))


def search_failed_run(record: RunRecord, parameters: Parameters) -> str:
    """Redact what a run that did not succeed has written; return a message about the secrets, empty without one."""
    try:
        search_run(record, parameters)
    except SecretFound as error:
        return str(error)
    except (OSError, sqlite3.Error, MillraceError, json.JSONDecodeError) as error:
        if isinstance(error, sqlite3.Error) and str(error) in records.read(record.folder).get("error", ""):
            return ""  # the run ended because of the same database, so nothing was written into it
        cause = storage_errors.explain(error) or f"{type(error).__name__}: {error}"
        return f"The search for secrets was not completed: {cause}"
    return ""


def redact_message(message: str) -> str:
    """Return a message without secrets."""
    return redaction.redact(message)[0]
