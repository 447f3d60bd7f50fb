"""The shared libraries of the system that compiled files need, as the system's own loader finds them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lib.errors import DataError

# Lines of ldd: "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f...)"; "/lib64/ld-linux-x86-64.so.2 (0x7f...)".
_LIBRARY = re.compile(r"^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_SYSTEM_FOLDERS = ("/lib", "/usr/lib")  # also /lib64 and /usr/lib64
_C_LIBRARY = "libc.so."
_FILES_PER_CALL = 200


def find_shared_libraries(files: Sequence[Path], inside: Path) -> dict[str, Path]:
    """Return the libraries that files need and that lie outside of a folder.

    Parameters
    ----------
    files : sequence of Path
        Programs and compiled modules.
    inside : Path
        The folder whose libraries are left out, since they are copied with it.

    Returns
    -------
    dict of str to Path
        The file of each library, by a path at which the loader finds it. A library that this machine lacks is left
        out: a module that needs it cannot be imported here either.

    Raises
    ------
    DataError
        If this system has no ldd, the program of glibc that lists them.
    """
    libraries: dict[str, Path] = {}
    for start in range(0, len(files), _FILES_PER_CALL):
        for name in _LIBRARY.findall(_run_ldd(files[start : start + _FILES_PER_CALL])):
            if not Path(name).resolve().is_relative_to(inside.resolve()):
                libraries[name] = Path(name).resolve()
    # The folder of the C library is one in which the loader always looks. Others belong to this machine's Python.
    c_library = next((Path(name) for name in libraries if Path(name).name.startswith(_C_LIBRARY)), None)
    system_folder = c_library.parent if c_library else _SYSTEM_FOLDERS[0]
    return {
        name if name.startswith(_SYSTEM_FOLDERS) else f"{system_folder}/{Path(name).name}": file
        for name, file in libraries.items()
    }


def _run_ldd(files: Sequence[Path]) -> str:
    try:
        # The exit code is 1 if one of the files is static.
        return subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise DataError(
            "--image: this system lacks ldd, so the libraries of its Python cannot be found. Put the endpoint on an "
            "image with Python instead: --base FILE.tar"
        ) from None
