"""An MLflow model folder as files: its location, its SHA-256, a verified copy, and its code.

Loading a model runs its code and its pickle. So every file counts: a folder that contains a link, a special file or
compiled Python code is refused, and all other files are hashed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

# Statistics of the training rows, written beside the model when it is logged.
BASELINE_FILE = "baseline.json"
# The SHA-256 of each file, in the format of the program sha256sum. It tells which file was changed.
SUMS_FILE = "SHA256SUMS"
# A text file that MLflow's registry client adds to a download. It is neither hashed nor copied.
_DOWNLOAD_NOTE = "registered_model_meta"
_COMPILED_SUFFIXES = (".pyc", ".pyo")
_IMPORTED_SUFFIXES = (".py", ".so", ".pyc")
_MAX_LISTED_FILES = 10


class ModelError(Exception):
    """A model folder cannot be served; the message states the reason and what to do."""


def list_files(folder: str | Path) -> dict[str, Path]:
    """Return all files of a model folder.

    Parameters
    ----------
    folder : path
        The folder that contains ``MLmodel``.

    Returns
    -------
    dict of str to Path
        The files by their name relative to the folder, ordered by name.

    Raises
    ------
    ModelError
        If the folder contains a link, a special file or compiled Python code, whose content could change or differ from
        the source that is hashed; the message names it.
    """
    folder = Path(folder)
    files: dict[str, Path] = {}
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(folder).as_posix()
                _check_entry(entry, name, folder)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif name != _DOWNLOAD_NOTE:
                    files[name] = Path(entry.path)
    return dict(sorted(files.items()))


def compute_digest(folder: str | Path) -> str:
    """Return the SHA-256 of a model folder, computed from the names and contents of all its files.

    Returns
    -------
    str
        64 hexadecimal digits, the same on every machine.

    Raises
    ------
    ModelError
        If the folder contains something else than files; see `list_files`.
    """
    return _combine(_hash_files(folder))


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of each file into a model folder, so that `verify` can name a file that was changed."""
    (folder / SUMS_FILE).unlink(missing_ok=True)
    lines = [f"{sha256}  {name}\n" for name, sha256 in _hash_files(folder).items()]
    (folder / SUMS_FILE).write_text("".join(lines), encoding="utf-8")


def verify(folder: str | Path, sha256: str) -> None:
    """Check that a model folder is the one that was registered; nothing in it is opened as a model.

    Parameters
    ----------
    folder : path
        The folder that contains ``MLmodel``.
    sha256 : str
        The expected result of `compute_digest`.

    Raises
    ------
    ModelError
        If a file was changed, added or removed; the message names it.
    """
    actual = _hash_files(folder)
    if (digest := _combine(actual)) != sha256:
        raise ModelError(
            f"The model in {folder} is not the one that was registered: {_describe_changes(Path(folder), actual)}. Its "
            f"SHA-256 differs: it is {digest}, the registry's is {sha256}. Nothing of the model was loaded, because a "
            "changed file could run any code. Restore the files, or train and register the model again."
        )


def copy_verified(folder: str | Path, target: Path, sha256: str | None) -> None:
    """Copy a model folder, and verify the copy, which nobody else can change.

    Parameters
    ----------
    folder : path
        The folder that contains ``MLmodel``.
    target : Path
        The folder to create. Only the user of this process can read it.
    sha256 : str or None
        The expected digest of the copy; None if the model was not registered.

    Raises
    ------
    ModelError
        If the folder is not the registered one, or contains something else than files. No copy is left then.
    """
    target.mkdir(mode=0o700)
    try:
        for name, file in list_files(folder).items():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _copy_file(file, copy)
        if sha256 is not None:
            verify(target, sha256)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def find_model_folder(folder: str | Path) -> Path:
    """Return the folder that contains ``MLmodel``: this one, or one up to two levels below, as Azure ML mounts models.

    Raises
    ------
    ModelError
        If there is no such folder, or more than one.
    """
    folder = Path(folder)
    patterns = ("MLmodel", "*/MLmodel", "*/*/MLmodel")
    matches = next(filter(None, (sorted(folder.glob(pattern)) for pattern in patterns)), [])
    if not matches:
        raise ModelError(f"There is no MLflow model in {folder}: no file named MLmodel in it or below it.")
    if len(matches) > 1:
        folders = ", ".join(str(path.parent) for path in matches)
        raise ModelError(f"There are several models in {folder}: {folders}.")
    return matches[0].parent


def find_code_folder(folder: Path) -> Path:
    """Return the folder with the code that serves a model, from which Python imports it.

    Parameters
    ----------
    folder : Path
        The folder that contains ``MLmodel``.

    Raises
    ------
    ModelError
        If the model was saved by a release that did not save `lib.scoring` with it.
    """
    code = folder / "code"
    if not (code / "lib" / "scoring" / "wire_protocol.py").is_file():
        raise ModelError(
            f"The model in {folder} was saved by an earlier release: its code/ folder has no lib/scoring, which "
            "answers requests. Run the chain again, so that the model is trained and registered anew."
        )
    return code


def check_same_code(code: Path, running: Path) -> None:
    """Check that the code that runs is the code of a model.

    Parameters
    ----------
    code : Path
        The code folder of a verified model.
    running : Path
        The folder from which this process imports its code. Compiled code beside the sources and files that Python
        cannot import are ignored.

    Raises
    ------
    ModelError
        If a file differs, is missing, or was added; the message names it.
    """
    expected = list_files(code)
    actual = {
        path.relative_to(running).as_posix(): path
        for path in running.rglob("*")
        if (path.is_symlink() or path.suffix in _IMPORTED_SUFFIXES) and "__pycache__" not in path.parts
    }
    different = sorted(
        name
        for name in expected.keys() | actual.keys()
        if name not in expected
        or name not in actual
        or actual[name].is_symlink()
        or actual[name].read_bytes() != expected[name].read_bytes()
    )
    if different:
        raise ModelError(
            f"The code in {running} is not the code of the model: {', '.join(different[:_MAX_LISTED_FILES])} differ. "
            "Deploy the model again."
        )


def _check_entry(entry: os.DirEntry[str], name: str, folder: Path) -> None:
    """Raise a ModelError unless an entry of a folder is a folder or a file, and contains no compiled code."""
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        problem = "a link, whose target could change"
    elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        problem = "a special file"
    elif entry.name == "__pycache__" or entry.name.endswith(_COMPILED_SUFFIXES):
        problem = "compiled Python code, which could differ from the source beside it"
    elif not name.isprintable():
        problem, name = "a name with characters that cannot be printed", repr(name)
    else:
        return
    raise ModelError(
        f"The model in {folder} contains {name}: {problem}. Nothing of the model was loaded. Delete {name} if you know "
        "where it comes from, or train and register the model again."
    )


def _copy_file(file: Path, copy: Path) -> None:
    """Copy a file; fail if it has become a link since it was listed."""
    with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source, copy.open("xb") as target:
        shutil.copyfileobj(source, target, 2**20)


def _hash_files(folder: str | Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a model folder, by name."""
    sums = {}
    for name, path in list_files(folder).items():
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def _combine(sums: dict[str, str]) -> str:
    """Return the SHA-256 of a folder from those of its files."""
    return hashlib.sha256("".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()).encode()).hexdigest()


def _describe_changes(folder: Path, actual: dict[str, str]) -> str:
    """Say which files differ from the sums in the folder."""
    if SUMS_FILE not in actual:
        return f"it has no {SUMS_FILE}, so the changed files cannot be named"
    lines = (folder / SUMS_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    expected = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    changes = [
        f"{name} {'was added' if name not in expected else 'is missing' if name not in actual else 'was changed'}"
        for name in sorted((expected.keys() | actual.keys()) - {SUMS_FILE})
        if expected.get(name) != actual.get(name)
    ]
    if not changes:
        return f"{SUMS_FILE} was replaced, so the changed files cannot be named"
    more = f" and {len(changes) - _MAX_LISTED_FILES} more" if len(changes) > _MAX_LISTED_FILES else ""
    return ", ".join(changes[:_MAX_LISTED_FILES]) + more
