"""Detection of the dialect of a text file, from its first lines and one pass over its bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lib.errors import DataError, format_count
from lib.schema.table_schema import TableSchema
from lib.tables.detect import encodings, header_detection, separators
from lib.tables.detect.byte_scanner import TextScan, scan_text
from lib.tables.detect.dialect import Dialect
from lib.tables.detect.footer_lines import Footer, detect_footer
from lib.tables.detect.layout import detect_layout, find_stored_layout
from lib.tables.detect.raw_files import COMPRESSED_SUFFIXES, open_binary, read_start
from lib.tables.detect.records import Record

# Excel's marker for the separator in the first line: `sep=;`
_SEPARATOR_LINE = re.compile(rf'"?sep=([{separators.SEPARATORS}])"?(\r\n|\r|\n)', re.IGNORECASE)
_CR_LINE_ENDING = re.compile(r"\r(?!\n)")
_MAX_LISTED_CELLS, _MAX_CELL_LENGTH = 3, 20


def detect_dialect(
    path: Path, encoding: str = "", has_header: bool | None = None, schema: TableSchema | None = None
) -> Dialect:
    """Detect the dialect of a text file from all of its bytes.

    Parameters
    ----------
    path : Path
    encoding : str
        Python name of the encoding; detected if empty.
    has_header : bool, optional
        Whether the file has a header; detected if None.
    schema : TableSchema, optional
        The schema of the table. A file that is written as the schema says has the schema's separator, quotes and
        header, and only its encoding and its footer are detected.

    Raises
    ------
    DataError
        If the file is not text, has no header, or is not in the given encoding.
    """
    start = read_start(path, encoding)
    if encoding:
        return _detect_with_encoding(path, start, encoding, has_header, schema)
    detected_encoding = encodings.encoding_from_bom(start) or "utf-8"
    if not encodings.is_ascii_compatible(detected_encoding):
        return _detect_from_start(
            path, start, detected_encoding, _scan_decoded(path, detected_encoding), has_header, schema
        )
    scan = _scan_file(path)
    if scan.non_utf8 is None:
        return _detect_from_start(path, start, detected_encoding, scan, has_header, schema)
    detected_encoding = encodings.detect_encoding(scan.non_utf8, path)
    dialect = _detect_from_start(path, start, detected_encoding, scan, has_header, schema)
    return replace(dialect, encoding_note=encodings.describe_guess(scan.non_utf8, detected_encoding))


def _detect_with_encoding(
    path: Path, start: bytes, encoding: str, has_header: bool | None, schema: TableSchema | None
) -> Dialect:
    """Detect the dialect of a file whose encoding the user set."""
    resolved_encoding = encodings.resolve_encoding(encoding, start, path)
    has_non_ascii = False
    if resolved_encoding != "utf-8":
        with open_binary(path) as file:
            has_non_ascii = encodings.check_encoding(file, path, resolved_encoding)
    if not encodings.is_ascii_compatible(resolved_encoding):
        return _detect_from_start(
            path, start, resolved_encoding, _scan_decoded(path, resolved_encoding), has_header, schema
        )
    scan = _scan_file(path)
    if resolved_encoding == "utf-8" and scan.non_utf8:
        raise encodings.invalid_byte_error(path, encoding, *scan.non_utf8.first_invalid)
    dialect = _detect_from_start(path, start, resolved_encoding, scan, has_header, schema)
    if has_non_ascii and scan.non_utf8 is None:
        note = f"The whole file is valid UTF-8, but `encoding` is {encoding}. If letters look wrong, leave it empty."
        return replace(dialect, encoding_note=note)
    return dialect


def _scan_file(path: Path) -> TextScan:
    with open_binary(path) as file:
        return scan_text(file, path)


def _scan_decoded(path: Path, encoding: str) -> TextScan:
    """Scan a file in an encoding such as UTF-16, in which a separator is not the byte that it is in ASCII."""
    with open_binary(path) as file:
        return scan_text(encodings.recode_as_utf8(file, encoding), path)


def detect_prefix(path: Path, has_header: bool | None = None) -> Dialect | None:
    """Detect the dialect from the first bytes only, assuming that the rest of the file is written the same way.

    The caller must check that assumption for every byte, as `byte_ranges.read` does.

    Returns
    -------
    Dialect or None
        None if the first bytes are not UTF-8 or contain quoted line breaks.
    """
    start = read_start(path)
    if encodings.encoding_from_bom(start) not in ("", "utf-8"):
        return None
    scan = scan_text(io.BytesIO(start[: start.rfind(b"\n") + 1]), path)
    if scan.non_utf8 or scan.has_quoted_line_breaks or not scan.has_balanced_quotes:
        return None
    # The end of a compressed file, with its footer, cannot be read without the rest.
    is_compressed = path.suffix.lower() in COMPRESSED_SUFFIXES
    return _detect_from_start(path, start, "utf-8", scan, has_header, with_footer=not is_compressed)


def _detect_from_start(
    path: Path,
    start: bytes,
    encoding: str,
    scan: TextScan,
    has_header: bool | None,
    schema: TableSchema | None = None,
    with_footer: bool = True,
) -> Dialect:
    """Return the dialect of a file from its first bytes, its encoding and a scan of its bytes."""
    sample = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    text = sample.lstrip("\r\n")
    separator_line = _SEPARATOR_LINE.match(text)
    if separator_line:
        text = text[separator_line.end() :].lstrip("\r\n")
    if not text.strip():
        raise DataError(f"{path} has no header. Write the column names in the first line.")

    separator = separator_line[1] if separator_line else ""
    stored_layout = find_stored_layout(text, separator, schema) if schema else None
    csv_format, records, header, has_row_names = stored_layout or detect_layout(text, separator, has_header)
    if csv_format.separator[0] in separators.SEPARATORS_ABOVE_COMMA:
        scan = replace(scan, may_have_leading_zeros=True)
    rows = [record.cells for record in records]
    rows_below = rows[header.title_row_count + header.row_count :]
    lines_above_text = len(sample[: len(sample) - len(text)].splitlines())
    lines_before_header, header_lines = _count_header_lines(records, header)
    lines_before_header += lines_above_text
    lines_to_header = "".join(sample.splitlines(keepends=True)[: lines_before_header + header_lines])
    names = _name_columns(header, rows, has_row_names)
    text_encoding = encodings.encoding_without_bom(encoding, start)
    footer = detect_footer(path, csv_format, len(names), text_encoding) if with_footer else Footer()
    first_row = rows[header.title_row_count]  # the header if there is one
    if header.row_count == 0:
        header_note = _describe_missing_header(first_row, has_header)
    else:
        header_line = lines_before_header + 1
        header_note = _describe_field_counts(header_line, len(first_row), len(names), rows_below)
    return Dialect(
        encoding=encoding,
        separator=csv_format.separator,
        header=names,
        lines_before_header=lines_before_header,
        title_rows=header.title_row_count,
        scan=scan,
        quote_character=csv_format.quote_character,
        skip_initial_space=csv_format.skip_initial_space,
        escape_character=csv_format.escape_character,
        header_rows=header.row_count,
        header_lines=header_lines,
        has_row_names=has_row_names,
        table_bytes=footer.table_bytes,
        footer_note=footer.note,
        header_as_written=header.names,
        has_cr_line_endings=bool(_CR_LINE_ENDING.search(lines_to_header)),
        header_note=header_note,
    )


def _count_header_lines(records: list[Record], header: header_detection.Header) -> tuple[int, int]:
    """Return the number of lines above the header, and the number of lines of the header."""
    first = records[header.title_row_count]
    if header.row_count == 0:
        return first.line - 1, 0
    last = records[header.title_row_count + header.row_count - 1]
    return first.line - 1, last.last_line - first.line + 1


def _name_columns(header: header_detection.Header, rows: list[list[str]], has_row_names: bool) -> list[str]:
    """Return the names of the columns. A column without a name is named by its position."""
    if header.row_count == 0:
        column_count = header_detection.find_usual_field_count(rows[header.title_row_count :])
        return [f"column_{number}" for number in range(1, column_count + 1)]
    names = ["", *header.names] if has_row_names else header.names
    return [header_detection.clean_name(name) or f"Unnamed: {index}" for index, name in enumerate(names)]


def _describe_missing_header(first_row: Sequence[str], has_header: bool | None) -> str:
    """Return a note on columns that are named by number because no header was detected.

    Parameters
    ----------
    first_row : sequence of str
    has_header : bool or None
        The parameter `header`; if False, the user knows, and the note is empty.
    """
    if has_header is False:
        return ""
    cells = ", ".join(repr(cell[:_MAX_CELL_LENGTH]) for cell in first_row[:_MAX_LISTED_CELLS])
    more = ", ..." if len(first_row) > _MAX_LISTED_CELLS else ""
    return (
        f"The first row ({cells}{more}) looks like the rows below it, not like a header: the columns are named "
        "column_1, column_2 and so on. Set `header` to false to confirm this, or to true if these are the names."
    )


def _describe_field_counts(line: int, header_fields: int, column_count: int, rows: Sequence[Sequence[str]]) -> str:
    """Return a note on a header that does not have one name for each field of the rows, else an empty string.

    Parameters
    ----------
    line : int
        Line of the header.
    header_fields : int
        Number of fields of the header as written.
    column_count : int
        Number of columns. Less than `header_fields` if empty fields of the header were left out, more if rows start
        with a row name.
    rows : sequence of sequence of str
        The first rows below the header.

    Examples
    --------
    >>> _describe_field_counts(1, 2, 2, [["1", "2", ""], ["3", "4", ""]])[:59]
    'Line 1, the header, has 2 fields, but every row below has 3'
    """
    counted = f"Line {line:,}, the header, has {format_count(header_fields, 'field')}"
    if column_count < header_fields:
        return f"{counted}, but the rows have {column_count}: empty fields of the header were left out."
    row_fields = {len(row) for row in rows}
    if column_count > header_fields or len(row_fields) != 1 or max(row_fields) <= header_fields:
        return ""
    return (
        f"{counted}, but every row below has {max(row_fields)}: the names apply to the first of these fields. If a "
        "separator is missing within the header, add it."
    )
