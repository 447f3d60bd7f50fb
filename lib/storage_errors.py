"""Errors of storage: a database or disk that is locked, damaged, full or read-only, explained in one sentence.

SQLite, SQLAlchemy, MLflow and the operating system report the same fault by different exceptions. All of them contain
either SQLite's message or an error number of the system.
"""

from __future__ import annotations

import contextlib
import errno
import re
import sqlite3
import tempfile
from collections.abc import Iterator

from lib.errors import MillraceError, StorageError

_LOCKED = "Another program has locked it for too long. Wait for that program or stop it, and run again."
_DAMAGED = (
    "The file is damaged. Restore it from a backup; or move it away, and the next run creates a new one without the "
    "earlier runs."
)
_FULL = "There is no space left. Delete files or choose another folder, and run again."
_READ_ONLY = (
    "This user may not write there. Change the permissions of the file and its folder, or choose another folder."
)
_DENIED = (
    "This user may not read or write there. Change the permissions of the file and its folder, or choose another "
    "folder."
)
_TOO_LARGE = (
    "The file would become larger than the file system or this user's limit allows. Raise the limit (ulimit -f), or "
    "choose another folder, and run again."
)
_TOO_LONG = "The path is too long for the file system. Choose a folder with a shorter path, and run again."
_TOO_MANY = "Too many files are open. Close other programs or raise the limit (ulimit -n), and run again."
_BROKEN = "The disk or the network drive does not work reliably. Check it, or choose another folder."

# SQLite's messages: https://www.sqlite.org/rescode.html
_SQLITE_MEANINGS = (
    (r"database (table |schema )?is locked", _LOCKED),
    (r"disk image is malformed|file is not a database|malformed database schema", _DAMAGED),
    (r"database or disk is full", _FULL),
    (r"attempt to write a readonly database|unable to open database file|access permission denied", _READ_ONLY),
    (r"disk I/O error", _BROKEN),
)
_SYSTEM_MEANINGS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _TOO_LARGE,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENAMETOOLONG: _TOO_LONG,
    errno.EMFILE: _TOO_MANY,
    errno.ENFILE: _TOO_MANY,
    errno.EIO: _BROKEN,
}
# Errors that concern storage only if they name a file; a port or a signal may be refused, too.
_ONLY_WITH_FILE = (errno.EACCES, errno.EPERM)


def explain(error: BaseException, database: str = "The database") -> str:
    """Return what a storage error means and what to do about it; an empty text for any other error.

    Parameters
    ----------
    error : BaseException
        The error, or one that a storage error has caused.
    database : str
        What the message calls a database, whose path SQLite does not tell.

    Examples
    --------
    >>> explain(sqlite3.OperationalError("database is locked")).partition(". ")[0]
    'The database cannot be used (database is locked)'
    >>> explain(ValueError("7"))
    ''
    """
    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error):
            for pattern, meaning in _SQLITE_MEANINGS:
                if re.search(pattern, str(cause), re.IGNORECASE):
                    return f"{database} cannot be used ({cause}). {meaning}"
        elif isinstance(cause, OSError) and cause.errno in _SYSTEM_MEANINGS:
            if cause.errno in _ONLY_WITH_FILE and not cause.filename:
                continue
            place = cause.filename or f"A file (perhaps in the temporary folder {tempfile.gettempdir()})"
            return f"{place} cannot be used ({cause.strerror}). {_SYSTEM_MEANINGS[cause.errno]}"
    return ""


@contextlib.contextmanager
def explained(database: str = "The database") -> Iterator[None]:
    """Raise a `StorageError` with one sentence in place of a storage error in the ``with`` block.

    Parameters
    ----------
    database : str
        What the message calls a database.

    Raises
    ------
    StorageError
        If a database or disk is locked, damaged, full or read-only. Other errors are raised unchanged.
    """
    try:
        yield
    except MillraceError:
        raise
    except Exception as error:
        if message := explain(error, database):
            raise StorageError(message) from error
        raise


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the chain of its causes, each error once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
