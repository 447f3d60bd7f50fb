"""A layer of an image: a tar archive, compressed by gzip, whose bytes depend on its contents only."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

# A layer's media type in the OCI image specification.
MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_COMPRESSION_LEVEL = 6


@dataclass(frozen=True)
class Blob:
    """A file of an image layout.

    Attributes
    ----------
    path : Path
    digest : str
        SHA-256 of the file, such as ``"sha256:2b52..."``.
    media_type : str
    diff_id : str
        SHA-256 of a layer's tar archive before its compression; empty for a blob that is no layer.
    """

    path: Path
    digest: str
    media_type: str
    diff_id: str = ""

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.path.stat().st_size


class LayerContents:
    """The files of a layer, by their name without a leading slash. Parent folders are added by themselves."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[tarfile.TarInfo, Path | bytes | None]] = {}

    def add_folder(self, name: str, mode: int = 0o755, owner: int = 0) -> None:
        """Add a folder.

        Parameters
        ----------
        name : str
        mode : int
            Permissions.
        owner : int
            Number of its user and group.
        """
        self._add(name, tarfile.DIRTYPE, mode, None, owner)

    def add_file(self, name: str, content: Path | bytes) -> None:
        """Add a file that everybody can read, and execute if it is executable."""
        is_executable = isinstance(content, Path) and bool(content.stat().st_mode & stat.S_IXUSR)
        self._add(name, tarfile.REGTYPE, 0o755 if is_executable else 0o644, content)

    def add_link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(name, tarfile.SYMTYPE, 0o777, None)
        self._entries[name][0].linkname = target

    def add_tree(self, name: str, folder: Path) -> None:
        """Add the files of a folder; a link is replaced by the file that it points to."""
        self.add_folder(name)
        for parent, _, files in os.walk(folder):
            for file in files:
                path = Path(parent) / file
                self.add_file(f"{name}/{path.relative_to(folder).as_posix()}", path)

    def write(self, path: Path) -> Blob:
        """Write the layer.

        Parameters
        ----------
        path : Path
            The file to write.

        Returns
        -------
        Blob
        """
        with path.open("wb") as file:
            compressed = _HashingWriter(file)
            with gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, compressed, mtime=0) as stream:
                plain = _HashingWriter(stream)
                with tarfile.open(fileobj=cast(IO[bytes], plain), mode="w|", format=tarfile.PAX_FORMAT) as archive:
                    for _, (info, content) in sorted(self._entries.items()):
                        _add_to_archive(archive, info, content)
        return Blob(path, compressed.digest(), MEDIA_TYPE, plain.digest())

    def _add(self, name: str, kind: bytes, mode: int, content: Path | bytes | None, owner: int = 0) -> None:
        parent = name.rpartition("/")[0]
        if parent and parent not in self._entries:
            self.add_folder(parent)
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.uid, info.gid = kind, mode, owner, owner
        self._entries[name] = info, content


def _add_to_archive(archive: tarfile.TarFile, info: tarfile.TarInfo, content: Path | bytes | None) -> None:
    if content is None:
        archive.addfile(info)
        return
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        info.size = len(content) if isinstance(content, bytes) else os.fstat(file.fileno()).st_size
        archive.addfile(info, file)


class _HashingWriter:
    """A file that computes the SHA-256 of what is written to it."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile):
        self._file, self._hash = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Write what is buffered."""
        self._file.flush()

    def digest(self) -> str:
        """Return the digest as image layouts write it."""
        return f"sha256:{self._hash.hexdigest()}"
