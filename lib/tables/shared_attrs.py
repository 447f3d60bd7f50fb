"""Containers for a frame's ``attrs``, which pandas copies deeply with every column that it takes from the frame.

The schema of a table of thousands of columns has thousands of entries, so these copies would take longer than
everything else: https://github.com/pandas-dev/pandas/pull/55314.
"""

from __future__ import annotations

from typing import Any


class SharedDict(dict[str, Any]):
    """A dictionary that all copies of a frame share. It must not be changed."""

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedDict:
        return self


class SharedList(list[str]):
    """A list that all copies of a frame share. It must not be changed."""

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedList:
        return self
