"""The parts of a report, independent of how they are rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GOOD, NEUTRAL, BAD = "good", "neutral", "bad"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text; ``preformatted`` text keeps its line breaks, ``is_warning`` is set off."""

    text: str
    is_preformatted: bool = False
    is_warning: bool = False
    kind: str = "paragraph"


@dataclass(frozen=True)
class Facts:
    """Pairs of a name and a value, both texts."""

    pairs: Sequence[tuple[str, str]]
    kind: str = "facts"


@dataclass(frozen=True)
class Exhibit:
    """A table or chart that a stage has published, see ``charts.to_exhibit``."""

    content: Mapping[str, Any]
    kind: str = "exhibit"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    sentences: Sequence[str]
    kind: str = "points"


@dataclass(frozen=True)
class Links:
    """Links, each with its text and its address relative to the report."""

    links: Sequence[tuple[str, str]]
    kind: str = "links"


@dataclass(frozen=True)
class Group:
    """Blocks that are folded at first, such as those of a candidate that was not chosen."""

    title: str
    blocks: Sequence[Paragraph | Facts | Exhibit | Points | Links]
    kind: str = "group"


Block = Paragraph | Facts | Exhibit | Points | Links | Group


@dataclass(frozen=True)
class Section:
    """A section of the report."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes
    ----------
    title : str
        Use case and run.
    verdict : str
        The outcome in a few words, such as "Promoted".
    tone : str
        `GOOD`, `NEUTRAL` or `BAD`, which determines the color of the verdict.
    lead : sequence of Block
        The decision and why, or which stage failed, the cause and the next step.
    sections : sequence of Section
    """

    title: str
    verdict: str
    tone: str
    lead: Sequence[Block]
    sections: Sequence[Section]
