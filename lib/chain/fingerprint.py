"""Fingerprints: the state of everything that the result of a notebook depends on, by name.

A fingerprint covers the notebook's code, the library, the customer's modules that the execution uses, the lock file,
the parameters and the input files. Executions with equal fingerprints have equal results. A file is represented by the
SHA-256 of its content. This also applies to files that parameters name.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from lib import extensions
from lib.chain import used_code
from lib.chain.contracts import RUN_NAME
from lib.chain.notebooks import Notebook
from lib.paths import ROOT, display_path, resolve

_LOCK_FILE = ROOT / "requirements.lock"
_LIBRARY = ROOT / "lib"
_IGNORED_PARAMETERS = (RUN_NAME, "threads")  # results do not depend on them
_OUTPUT_FOLDERS = ("workspace", "runs_folder")  # compared by path, since runs change their content
_BLOCK_BYTES = 1024**2
_MAX_PATH_LENGTH = 4096
_SHA256_LENGTH = 64


class Fingerprints:
    """Computation of fingerprints in the background while notebooks run, because hashing large tables takes time."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="fingerprint")

    def start(self, notebook: Notebook, values: Mapping[str, Any]) -> Future[dict[str, str]]:
        """Start to compute a fingerprint, as `compute` does, and return its future."""
        return self._executor.submit(compute, notebook, values)


def compute(notebook: Notebook, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the fingerprint of an execution.

    Parameters
    ----------
    notebook : Notebook
    values : mapping
        The values that the notebook's results depend on; see `plan.Execution.result_dependencies`.

    Returns
    -------
    dict of str
        The value of each parameter and the SHA-256 of each file, by names that messages can show:
        ``"lib/metrics.py"``, ``"seed"`` or ``"the content of data"``.
    """
    parts = {display_path(notebook.path): _hash_notebook(notebook.path), "Python": platform.python_version()}
    parts |= {display_path(file): hash_file(file) for file in sorted(_LIBRARY.rglob("*.py"))}
    code = used_code.find_used_code(notebook.stage, values)
    parts |= {display_path(file): hash_file(file) for file in code.files} | code.packages
    if _LOCK_FILE.exists():
        parts[display_path(_LOCK_FILE)] = hash_file(_LOCK_FILE)
    for name, value in values.items():
        if name in _OUTPUT_FOLDERS:
            parts[name] = json.dumps(value)
        elif name not in _IGNORED_PARAMETERS:
            parts |= _hash_parameter(name, value)
    return parts


def read_code_state(*notebooks: Path) -> dict[Path, tuple[int, int]]:
    """Return the modification time in nanoseconds and the size of each file of ``lib``, ``custom`` and some notebooks.

    Unlike a fingerprint, the state takes milliseconds to read. If it is the same before and after an execution, the
    fingerprint describes the code that was executed.
    """
    state = {}
    for file in [*_LIBRARY.rglob("*.py"), *extensions.list_custom_files(), *notebooks]:
        with contextlib.suppress(FileNotFoundError):  # deleted while the folder is listed
            status = file.stat()
            state[file] = (status.st_mtime_ns, status.st_size)
    return state


def _hash_parameter(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each part of a parameter, such as ``options.weather_data``; files are hashed."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _hash_parameter(f"{name}.{key}", item)
    elif isinstance(value, list) and any(find_files(value)):
        for index, item in enumerate(value):
            yield from _hash_parameter(f"{name}[{index}]", item)
    elif isinstance(value, str) and (path := existing_path(value)) is not None:
        yield f"the content of {name}", _hash_path(path)
    else:
        yield name, json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def describe_differences(earlier: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """Return a clause for each difference between two fingerprints.

    >>> describe_differences({"seed": "42", "task": '"binary"'}, {"seed": "7"})
    ['seed: 42 is now 7', 'task is gone']
    """
    clauses = []
    for name in sorted({*earlier, *current}):
        old, new = earlier.get(name), current.get(name)
        if old == new:
            continue
        if old is None or new is None:
            clauses.append(f"{name} is {'new' if old is None else 'gone'}")
        elif len(old) == len(new) == _SHA256_LENGTH:
            clauses.append(f"{name} has changed")
        else:
            clauses.append(f"{name}: {old} is now {new}")
    return clauses


def find_files(value: Any) -> Iterator[str]:
    """Yield the strings within a value that name an existing file or folder."""
    if isinstance(value, str):
        if existing_path(value) is not None:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find_files(item)
    elif isinstance(value, list):
        for item in value:
            yield from find_files(item)


def hash_files(value: Any) -> dict[str, str]:
    """Return the SHA-256 of each existing file or folder that a value names.

    Returns
    -------
    dict of str
        Keys are the strings that name the files.
    """
    hashes = {}
    for address in find_files(value):
        path = existing_path(address)
        if path is not None:
            hashes[address] = _hash_path(path)
    return hashes


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file, cached until its size or modification time changes."""
    status = file.stat()
    return _hash_file(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _hash_file(file: Path, size: int, modified: int) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _hash_path(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's file names and contents."""
    if path.is_file():
        return hash_file(path)
    files = [f"{file.relative_to(path)} {hash_file(file)}" for file in sorted(path.rglob("*")) if file.is_file()]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()


def _hash_notebook(path: Path) -> str:
    """Return the SHA-256 of a notebook's code and cell tags; outputs, Markdown cells and other metadata are ignored."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [
        ["".join(cell["source"]), cell["metadata"].get("tags", [])] for cell in cells if cell["cell_type"] == "code"
    ]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def existing_path(text: str) -> Path | None:
    """Return the existing file or folder that a string names as a path or ``file:`` URI, or None."""
    if not text or "\n" in text or len(text) > _MAX_PATH_LENGTH:
        return None
    parsed = urlparse(text)
    if parsed.scheme not in ("", "file"):
        return None
    try:
        path = resolve(unquote(parsed.path) if parsed.scheme else text)
        # A folder's path needs a slash. A word such as "linear" is a value, even if a folder has that name.
        exists = path.is_file() or (path.is_dir() and ("/" in text or parsed.scheme == "file"))
    except (OSError, ValueError):
        return None
    return path if exists else None
