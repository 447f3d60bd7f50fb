"""Short errors in notebooks: the message and the line of the user's own code, instead of a long traceback."""

from __future__ import annotations

import contextlib
import functools
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from lib.paths import ROOT, display_path

_INSTALLATION_FOLDERS = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_LIBRARY = ROOT / "lib"
# Folders of `lib` to which users of Millrace add modules, and the modules in them that belong to Millrace.
_EXTENSIBLE_FOLDERS = (_LIBRARY / "pipelines", _LIBRARY / "training")
_MILLRACE_MODULES = ("__init__.py", "base.py", "features.py")


@contextlib.contextmanager
def shortened() -> Iterator[None]:
    """Make Jupyter show errors of the ``with`` block in the short form of `summarize`.

    The errors themselves do not change. Millrace's own errors have another short form and keep it.
    """
    try:
        yield
    except Exception as error:
        if not hasattr(error, "_render_traceback_"):
            # https://ipython.readthedocs.io/en/stable/config/integrating.html
            error._render_traceback_ = functools.partial(list, summarize(error))  # type: ignore[attr-defined]
        raise


def summarize(error: BaseException) -> list[str]:
    """Return the message of an error and the calls in the user's own code that led to it, outermost first.

    If no code of the user is involved, the innermost call in Millrace's own code is shown.

    Parameters
    ----------
    error : BaseException
        An error that was raised.

    Returns
    -------
    list of str
        Lines of text, the first with the type and message of the error.

    Examples
    --------
    >>> try:
    ...     float("twelve")
    ... except ValueError as error:
    ...     print(summarize(error)[0])
    ValueError: could not convert string to float: 'twelve'
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not _is_installed_or_generated(Path(frame.filename))
    ]
    user_frames = [frame for frame in frames if not _is_millrace_code(Path(frame.filename))]
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):  # str(error) does not show the line
        message = "".join(traceback.format_exception_only(error)).rstrip()
    lines = message.split("\n")
    for frame in user_frames or frames[-1:]:
        lines += [f"  {display_path(frame.filename)}, line {frame.lineno}, in {frame.name}:", f"    {frame.line}"]
    return lines


def _is_installed_or_generated(path: Path) -> bool:
    """Return whether a path belongs to Python or an installed package, or is generated code, e.g. ``<string>``."""
    if path.name.startswith("<"):
        return True
    path = path.resolve()
    return any(path.is_relative_to(folder) for folder in _INSTALLATION_FOLDERS)


def _is_millrace_code(path: Path) -> bool:
    """Return whether a file belongs to Millrace. Pipelines and training functions in ``lib`` may be the user's."""
    path = path.resolve()
    if path.parent in _EXTENSIBLE_FOLDERS:
        return path.name in _MILLRACE_MODULES or path.name.startswith("_")
    return path.is_relative_to(_LIBRARY)
