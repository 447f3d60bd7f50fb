"""The counts of values of all workers of a version, added up."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from pathlib import Path

from lib.scoring.value_counts import Key, read_counts


class WorkerCounts:
    """The counts that workers keep in files; see `lib.scoring.value_counts`.

    Parameters
    ----------
    folder : Path
        Folder of the files, one for each worker, named by its process id.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._ended: collections.Counter[Key] = collections.Counter()

    def end_worker(self, pid: int) -> None:
        """Keep the counts of a worker that has ended, and delete its file."""
        path = self._folder / str(pid)
        self._ended.update(read_counts(path))
        path.unlink(missing_ok=True)

    def read(self, pids: Iterable[int]) -> dict[Key, float]:
        """Return the counts of ended workers and of those with these process ids, by kind and column or class."""
        counts: dict[Key, float] = dict(self._ended)
        for pid in pids:
            for key, number in read_counts(self._folder / str(pid)).items():
                counts[key] = counts.get(key, 0) + number
        return counts
