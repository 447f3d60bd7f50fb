"""What earlier looks have counted and measured, stored as JSON for the next look; it contains no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.monitoring.reference import ERROR, ColumnReference
from lib.monitoring.scores import WindowScore
from lib.monitoring.windows import Window


@dataclass
class History:
    """The references of a version, the windows that have ended, and the scores in them.

    Attributes
    ----------
    references : dict of str to ColumnReference
    windows : list of Window
    label_batches : list of Window
        The errors of the rows whose labels arrived between two looks, counted by cell.
    scores : list of WindowScore
        In the order of `windows`.
    """

    references: dict[str, ColumnReference]
    windows: list[Window] = field(default_factory=list)
    label_batches: list[Window] = field(default_factory=list)
    scores: list[WindowScore] = field(default_factory=list)

    def add_errors(self, window: Window, counts: tuple[int, ...], look: Window) -> None:
        """Count the errors of a window whose labels have arrived since earlier looks.

        The labels of a window may arrive in several parts. Each part is a batch of its own, in the order in which it
        arrived: what an earlier look has judged never changes afterwards.

        Parameters
        ----------
        window : Window
            The window of the rows.
        counts : tuple of int
            Number of labelled rows of the window, by cell of the error.
        look : Window
            The newest window at this look.
        """
        total = list(counts)
        for batch in self.label_batches:
            if batch.start == window.start:
                total = [max(0, count - earlier) for count, earlier in zip(total, batch.counts[ERROR], strict=True)]
        if sum(total):
            self.label_batches.append(Window(window.start, look.end, sum(total), {ERROR: tuple(total)}))

    def to_dict(self) -> dict[str, Any]:
        """Return the history as JSON types."""
        return {
            "references": {name: reference.to_dict() for name, reference in self.references.items()},
            "windows": [window.to_dict() for window in self.windows],
            "label_batches": [batch.to_dict() for batch in self.label_batches],
            "scores": [score.to_dict() for score in self.scores],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> History:
        """Return the history that `to_dict` described."""
        references = {name: ColumnReference.from_dict(entry) for name, entry in values["references"].items()}
        windows, batches = (
            [Window.from_dict(entry) for entry in values.get(name, ())] for name in ("windows", "label_batches")
        )
        return cls(references, windows, batches, [WindowScore.from_dict(entry) for entry in values.get("scores", ())])
