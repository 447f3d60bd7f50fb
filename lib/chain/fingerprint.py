"""What the result of a notebook depends on, by name: its text, the library, the lock file, parameters, files.

Two runs with the same fingerprint do the same. A file counts by its content, wherever it lies: a parameter that names
one is represented by the SHA-256 of what is in it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from lib.chain.contracts import RUN_NAME
from lib.chain.notebooks import Notebook
from lib.paths import ROOT, display_path, resolve

_LOCK_FILE = ROOT / "requirements.lock"
_LIBRARY = ROOT / "lib"
# Of the run, or of the machine; results do not depend on them. Places are folders that runs write into.
_NOT_COUNTED = (RUN_NAME, "threads")
_PLACES = ("workspace", "runs_folder")
_BLOCK_BYTES = 1024**2


class Fingerprints:
    """Fingerprints, made beside the notebooks: a large table takes a while to read."""

    def __init__(self) -> None:
        self._side = ThreadPoolExecutor(1, thread_name_prefix="fingerprint")

    def begin(self, notebook: Notebook, given: Mapping[str, Any]) -> Future[dict[str, str]]:
        """Start to make one; see `of`."""
        return self._side.submit(of, notebook, given)


def of(notebook: Notebook, given: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprint of an execution.

    Parameters
    ----------
    notebook : Notebook
    given : mapping
        The values that its results depend on; see `Execution.depends_on`.

    Returns
    -------
    dict of str
        By what a person calls it: ``"lib/metrics.py"``, ``"seed"``, ``"the content of data"``; the value of a
        parameter, or the SHA-256 of a file.
    """
    found = {display_path(notebook.path): _of_notebook(notebook.path), "Python": platform.python_version()}
    found |= {display_path(file): sha256(file) for file in sorted(_LIBRARY.rglob("*.py"))}
    if _LOCK_FILE.exists():
        found[display_path(_LOCK_FILE)] = sha256(_LOCK_FILE)
    for name, value in given.items():
        if name in _PLACES:
            found[name] = json.dumps(value)
        elif name not in _NOT_COUNTED:
            found |= _parts(name, value)
    return found


def _parts(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """What a value consists of, each with its place in it: ``options.weather_data``."""
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            yield from _parts(f"{place}.{key}", one)
    elif isinstance(value, list) and any(files(value)):
        for number, one in enumerate(value):
            yield from _parts(f"{place}[{number}]", one)
    elif isinstance(value, str) and any(files(value)):
        yield f"the content of {place}", _content(value)
    else:
        yield place, json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def contents(outputs: Any) -> dict[str, str]:
    """SHA-256 of each file that outputs name."""
    return {text: _content(text) for text in files(outputs)}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two fingerprints: a clause each."""
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if old is None or new is None:
            found.append(f"{name} is {'new' if old is None else 'gone'}")
        elif len(old) == len(new) == 64:
            found.append(f"{name} has changed")
        else:
            found.append(f"{name}: {old} is now {new}")
    return found


def files(value: Any) -> Iterator[str]:
    """Texts within a value that name a file or folder that is there."""
    if isinstance(value, str):
        if value and _path(value) is not None:
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from files(one)
    elif isinstance(value, list):
        for one in value:
            yield from files(one)


def sha256(file: Path) -> str:
    """SHA-256 of a file, which is read again only when it has changed."""
    state = file.stat()
    return _sha256(file, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _sha256(file: Path, size: int, changed: int) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _content(text: str) -> str:
    """SHA-256 of a file, or of a folder's files with their names."""
    path = _path(text)
    if path.is_file():
        return sha256(path)
    inside = [f"{file.relative_to(path)} {sha256(file)}" for file in sorted(path.rglob("*")) if file.is_file()]
    return hashlib.sha256("\n".join(inside).encode()).hexdigest()


def _path(text: str) -> Path | None:
    """Path that a text names, by itself or as a ``file:`` URI."""
    if "\n" in text or len(text) > 4096:
        return None
    parsed = urlparse(text)
    if parsed.scheme not in ("", "file"):
        return None
    try:
        path = resolve(unquote(parsed.path) if parsed.scheme else text)
        # A bare word is a value, even where a folder happens to bear it; a path has a separator or an ending.
        names_one = path.is_file() or (path.is_dir() and ("/" in text or parsed.scheme == "file"))
    except (OSError, ValueError):
        return None
    return path if names_one else None


def _of_notebook(path: Path) -> str:
    """SHA-256 of what a notebook does: its code, not its outputs, texts or metadata."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [
        ["".join(cell["source"]), cell["metadata"].get("tags", [])] for cell in cells if cell["cell_type"] == "code"
    ]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()
