"""The report of a run in Markdown, for the page of a build or a comment on a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lib.evidence.report import texts
from lib.evidence.report.content import make_report
from lib.evidence.report.model import Block, Exhibit, Facts, Group, Paragraph, Points, Report
from lib.evidence.report.run_files import RunFiles

# GitHub allows 65,536 characters in a comment, Azure DevOps 150,000.
MAX_CHARACTERS = 60_000
_MAX_ROWS = 40
_MAX_CELL_CHARACTERS = 300
_LAST_SECTIONS = ("origin", "notebooks")  # links to pages of the run's folder lead nowhere in a comment
# An underscore within a word, as in f1_macro, is no markup.
_SPECIAL = re.compile(r"([\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_]))")


def render_markdown(run: RunFiles) -> str:
    """Return the report of a run in Markdown, without charts; long sections at the end are left out."""
    report = make_report(run)
    lines = [f"## {escape(run.name)}: {escape(run.status)}", "", f"**{escape(report.verdict)}**", ""]
    for block in report.lead:
        lines += [*_render_block(block), ""]
    lines += [*_render_stages(run), ""]
    return _join(lines, report)


def render_comparison(report: Report) -> str:
    """Return a comparison of two runs in Markdown."""
    lines = [f"## {escape(report.title)}", ""]
    for block in report.lead:
        lines += [*_render_block(block), ""]
    return _join(lines, report)


def _join(lines: list[str], report: Report) -> str:
    """Return the lines and as many sections as fit, with a sentence for the others."""
    size = sum(len(line) + 1 for line in lines)
    left_out = []
    for section in report.sections:
        if section.name in (*_LAST_SECTIONS, "duration"):
            continue
        rendered = [f"### {escape(section.title)}", ""]
        for block in section.blocks:
            rendered += [*_render_block(block), ""]
        section_size = sum(len(line) + 1 for line in rendered)
        if size + section_size > MAX_CHARACTERS:
            left_out.append(section.title)
        else:
            size += section_size
            lines += rendered
    if left_out:
        lines.append(f"Too long for a comment, so only in the report: {escape(', '.join(left_out))}.")
    return "\n".join(lines).rstrip()


def _render_block(block: Block) -> Iterator[str]:
    """Yield the lines of a block; links and charts are left out."""
    if isinstance(block, Paragraph):
        yield from _render_paragraph(block)
    elif isinstance(block, Facts):
        yield from ["| | |", "| --- | --- |"]
        yield from (f"| {escape(name)} | {escape(value)} |" for name, value in block.pairs)
    elif isinstance(block, Points):
        yield from (f"- {escape(sentence)}" for sentence in block.sentences)
    elif isinstance(block, Group):
        yield f"**{escape(block.title)}**"
        for inner in block.blocks:
            yield ""
            yield from _render_block(inner)
    elif isinstance(block, Exhibit) and block.content["kind"] == "table":
        yield from _render_table(block.content)


def _render_paragraph(paragraph: Paragraph) -> Iterator[str]:
    if paragraph.is_preformatted:
        fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", f"{paragraph.text} `")))
        yield from [fence, paragraph.text, fence]
    else:
        text = escape(paragraph.text)
        yield f"⚠ {text}" if paragraph.is_warning else text


def _render_table(table: Mapping[str, Any]) -> Iterator[str]:
    rows = table["rows"][:_MAX_ROWS]
    yield f"**{escape(table['title'])}**"
    yield ""
    yield from render_table(
        [texts.format_name(name, table["marked"]) for name in table["columns"]],
        [
            [
                texts.format_name(str(value), table["marked"])
                if number == 0 and table["has_row_names"]
                else texts.format_value(value, table["nan_text"])
                for number, value in enumerate(row)
            ]
            for row in rows
        ],
        [bool(rows) and texts.is_number(value) for value in (rows[0] if rows else table["columns"])],
    )
    if table["row_count"] > len(rows):
        yield f"\nThe first {len(rows):,} of {table['row_count']:,} rows."


def render_table(columns: list[str], rows: list[list[str]], is_number: list[bool]) -> Iterator[str]:
    """Yield the lines of a table; columns of numbers are aligned to the right."""
    yield f"| {' | '.join(map(_cell, columns))} |"
    yield f"| {' | '.join('---:' if right else '---' for right in is_number)} |"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(text: str) -> str:
    return escape(text if len(text) <= _MAX_CELL_CHARACTERS else f"{text[:_MAX_CELL_CHARACTERS]}...")


def _render_stages(run: RunFiles) -> Iterator[str]:
    rows = [[each["stage"], each.get("status", ""), f"{each.get('seconds') or 0:.1f}"] for each in run.stages]
    yield from render_table(["stage", "status", "seconds"], rows, [False, False, True])


def escape(text: str) -> str:
    r"""Return a text that Markdown shows as it is, on one line.

    >>> escape("a|b <b>\nc")
    'a\\|b &lt;b&gt; c'
    """
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))
