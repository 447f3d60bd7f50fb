"""Awkward tables, derived from the bundled penguins: files as people have them, and the expected outcome of each."""

import gzip
import io
import zipfile
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.paths import ROOT

ROWS = 320
_NAMES = ["species", "island", "culmen", "flipper", "mass", "sex"]
_SOURCES = ["Species", "Island", "Culmen Length (mm)", "Flipper Length (mm)", "Body Mass (g)", "Sex"]


@dataclass(frozen=True)
class Awkward:
    """A file that is hard to read, and the expected outcome.

    Attributes
    ----------
    file : str
        File name; describes the difficulty.
    content : bytes
    refused : str
        Pattern of the error message; empty if the file can be read.
    rows, columns : int
        Expected size of the training and test rows together, target included.
    dtype_kinds : tuple of (str, str)
        Columns and their allowed dtype kinds.
    note : str
        Text that the notes must contain.
    target, task : str
    """

    file: str
    content: bytes
    refused: str = ""
    rows: int = ROWS
    columns: int = 6
    dtype_kinds: tuple = ()
    note: str = ""
    target: str = "species"
    task: str = "multiclass"


def penguins():
    frame = pd.read_csv(ROOT / "data" / "penguins_raw.csv")[_SOURCES].set_axis(_NAMES, axis=1).head(ROWS)
    return frame.assign(species=frame["species"].str.split().str[0])


_NUMBER_FORMATS = {
    "percent": lambda number: f"{number:.1f}%",
    "parentheses": lambda number: f"({number:,.1f})",
    "apostrophes": lambda number: f"{number * 1000:,.0f}".replace(",", "'"),
    "narrow spaces": lambda number: f"{number * 1000:,.0f}".replace(",", "\u202f"),
    "trailing minus": lambda number: f"{number:.1f}-",
    "typographic minus": lambda number: f"\u2212{number:.1f}",
    "currency code": lambda number: f"CHF {number:.2f}",
    "unit": lambda number: f"{number:.1f} kg",
    "unit with a power": lambda number: f"{number:.0f}m2",
    "plural": lambda number: f"{number:.0f} day{'s' if int(number) % 3 else ''}",
}


def _with_formatted_numbers(frame):
    """Yield numbers with units, and columns that mix units and stay text."""
    values = frame["culmen"].fillna(40)
    for name, write in _NUMBER_FORMATS.items():
        table = as_csv(frame.assign(size=values.map(write)))
        yield Awkward(f"{name}.csv", table, columns=7, dtype_kinds=(("size", "f"),), note="size is numeric")
    mixed_units = {
        "two currencies": ("${}", "€{}", "have different units ($, €)"),
        "percent and shares": ("{}%", "{}", "have different units (%, none)"),
        "two units": ("{} kg", "{} g", "have different units (g, kg)"),
        "some with a unit": ("{}more", "{}", "have different units (more, none)"),
    }
    for name, (even, odd, note) in mixed_units.items():
        texts = [(odd if row % 2 else even).format(value) for row, value in enumerate(values)]
        table = as_csv(frame.assign(size=texts))
        yield Awkward(f"{name}.csv", table, columns=7, dtype_kinds=(("size", "O"),), note=note)


def _from_spreadsheets(frame, text):
    """Yield tables with titles, repeated headers, totals and inconsistent labels."""
    titles = b"Penguins,,,,,\r\nas of May,,,,,\r\n"
    yield Awkward("title.csv", b"Penguins of Palmer\n\n" + text, note="Left out 1 line above the header.")
    yield Awkward("titles.csv", titles + text.replace(b"\n", b"\r\n"), note="Left out 2 lines above the header.")
    lines = text.decode().splitlines(keepends=True)
    repeated = "".join([*lines, "\ufeff", lines[0], *lines[1:11]]).encode()
    yield Awkward("repeated header.csv", repeated, rows=ROWS + 10, note=f"Line {ROWS + 2} repeats")
    with_total = text + f"Adelie,Total,,,{frame['mass'].sum()},\n".encode()
    total_note = "The last line, 322, contains 'Total' in island and the sum of the rows above"
    yield Awkward("total.csv", with_total, note=total_note)
    uncertain = text + b"Adelie,Total:,40,,,\n"
    yield Awkward("perhaps a total.csv", uncertain, rows=ROWS + 1, note="'Total' in island: if this line sums")
    labels = frame["species"].where(np.arange(ROWS) % 7 > 0, frame["species"].str.upper() + " ")
    yield Awkward("inconsistent labels.csv", as_csv(frame.assign(species=labels)), note="'ADELIE ' into 'Adelie'")


def _of_other_types(text):
    """Yield files that are not what their names say."""
    mixed = text.replace(b"Torgersen", "Törgersen".encode(), 20).replace(b"Dream", "Drëam".encode("cp1252"))
    yield Awkward(
        "two encodings.csv",
        mixed,
        "line 2 contains 'ö' in UTF-8, line .* contains the byte 0xeb, which is not valid UTF-8",
    )
    yield Awkward("compressed twice.zip", zipped({"inside.csv.gz": gzip.compress(text)}))
    yield Awkward("from a Mac.zip", zipped({"inside.csv": text, "__MACOSX/._inside.csv": b"x", ".DS_Store": b"x"}))
    workbook = zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"})
    yield Awkward("workbook.csv", workbook, "is not a text file but an Excel workbook")
    yield Awkward("page.csv", b"<!DOCTYPE html><html><table>", "an HTML or XML page")
    yield Awkward("records.csv", b'[{"species":"Adelie"}]', "is not a table but JSON")


def zipped(files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return archive.getvalue()


def as_csv(frame, **options):
    return frame.to_csv(index=False, **options).encode()


def _change_lines(content, changes):
    """Apply functions to some lines, by index from 0."""
    lines = content.decode().split("\n")
    for index, change in changes.items():
        lines[index] = change(lines[index])
    return "\n".join(lines).encode()


def awkward_files():
    """Yield one file of each kind."""
    frame, half = penguins(), np.arange(ROWS) % 2 == 0
    text = as_csv(frame)
    codes = [f"{number * 37 % 1000:05d}" for number in range(ROWS)]
    mixed = frame["mass"].astype(object)
    mixed[3], mixed[5], mixed[7], mixed[9], mixed[11], mixed[12] = "n/a", "4e3", "$4,050.50", " ", "12", "?"
    days = pd.date_range("2020-01-28", periods=ROWS)
    parquet = io.BytesIO()
    frame.assign(
        island=frame["island"].astype("category"),
        flipper=frame["flipper"].astype("Int64"),
        when=days.tz_localize("UTC"),
    ).to_parquet(parquet)
    german = frame.rename(columns={"species": "Spezies", "mass": "größe"})
    yield Awkward("plain.csv", text)
    yield Awkward(
        "latin1.csv",
        as_csv(german, sep=";", decimal=",").decode().encode("cp1252"),
        target="Spezies",
        dtype_kinds=(("größe", "f"), ("culmen", "f")),
        note="Windows-1252, separated by semicolons. The decimal separator is the comma.",
    )
    yield Awkward(
        "thousands.csv", german_thousands(), dtype_kinds=(("mass", "if"),), note="The decimal separator is the comma."
    )
    yield Awkward("bom.csv", b"\xef\xbb\xbf" + text)
    yield Awkward("tabs.csv", as_csv(frame, sep="\t"))
    excel = b"\xef\xbb\xbfsep=;\r\n" + as_csv(frame, sep=";")
    yield Awkward("excel.csv", excel)
    yield Awkward(
        "excel, too many fields.csv", _change_lines(excel, {101: lambda line: line + ";1"}), "but line 102 has 7"
    )
    yield Awkward("quoted newlines.csv", as_csv(frame.assign(remark='a\n"b", c')), columns=7)
    yield Awkward(
        "too many fields.csv",
        _change_lines(text, {101: lambda line: line + ",1,2", 201: lambda line: line + ",x"}),
        "expected 6 fields, but line 102 has 8, line 202 has 7. Fix these lines",
    )
    yield Awkward("too few fields.csv", _change_lines(text, {101: lambda line: line.rsplit(",", 1)[0]}))
    yield Awkward(
        "open quote.csv", _change_lines(text, {50: lambda line: '"' + line}), "a quote in line 51 is never closed"
    )
    yield Awkward("nul.csv", _change_lines(text, {30: lambda line: line + "\0"}), "line 31 contains a NUL byte")
    yield Awkward(
        "header twice.csv",
        text.replace(b"culmen,flipper", b"culmen,culmen"),
        note="Column 4 repeats the name 'culmen' and was renamed to 'culmen.2'",
    )
    yield Awkward(
        "target twice.csv", text.replace(b"island,", b"species,", 1), "has 2 columns named 'species': columns 1 and 2"
    )
    yield Awkward("spaces in header.csv", text.replace(b"species,island", b" species , is land/($)?"))
    yield Awkward("empty.csv", b"", "is empty .0 bytes")
    yield Awkward("header only.csv", text.split(b"\n")[0] + b"\n", "a header of 6 columns and no rows")
    yield Awkward("one row.csv", b"\n".join(text.split(b"\n")[:2]), "Only 1 row has a value of species")
    yield Awkward("saved index.csv", frame.to_csv().encode(), note="Unnamed: 0")
    yield Awkward("constant.csv", as_csv(frame.assign(same=1, nothing=None)), columns=8)
    yield Awkward(
        "mixed types.csv",
        as_csv(frame.assign(mass=mixed)),
        dtype_kinds=(("mass", "f"),),
        note="'?' in mass counts as missing",
    )
    yield Awkward("codes.csv", as_csv(frame.assign(zip=codes)), columns=7, dtype_kinds=(("zip", "O"),))
    yield from _with_formatted_numbers(frame)
    yield from _from_spreadsheets(frame, text)
    yield from _of_other_types(text)
    yield Awkward("hexadecimal.csv", as_csv(frame.assign(code="0x1F")), columns=7, dtype_kinds=(("code", "O"),))
    yield Awkward(
        "long numbers.csv",
        as_csv(frame.assign(card=[f"41{number:016d}" for number in range(ROWS)])),
        columns=7,
        dtype_kinds=(("card", "iO"),),
    )
    yield Awkward("booleans.csv", as_csv(frame.assign(wet=half, yes=np.where(half, "T", "F"))), columns=8)
    yield Awkward(
        "dates.csv",
        as_csv(frame.assign(day=days, eu=days.strftime("%d/%m/%Y"))),
        columns=8,
        dtype_kinds=(("day", "O"),),
    )
    yield Awkward(
        "infinite.csv",
        as_csv(frame.assign(ratio=np.where(half, "inf", "1e400"))),
        columns=7,
        note="infinite values of ratio",
    )
    once = pd.concat([frame, frame[:1].assign(species="Emperor")])
    yield Awkward("class seen once.csv", as_csv(once), rows=ROWS + 1, note="'Emperor' (0)")
    some = frame.assign(species=frame["species"].where(np.arange(ROWS) % 20 > 0))
    yield Awkward("target missing.csv", as_csv(some), rows=ROWS - 16, note="Dropped 16 rows without a value of species")
    yield Awkward("one class.csv", as_csv(frame.assign(species="Adelie")), "has only one class")
    yield Awkward("class numbers.csv", as_csv(frame.assign(species=frame["species"].factorize()[0])))
    yield Awkward("number with words.csv", as_csv(frame), "must contain numbers", target="sex", task="regression")
    yield Awkward("compressed.csv.gz", gzip.compress(text))
    yield Awkward("compressed.zip", zipped({"inside.csv": text}))
    yield Awkward("table.parquet", parquet.getvalue(), columns=7)
    yield Awkward("cut.parquet", parquet.getvalue()[:2000], "is not a complete Parquet file")
    yield Awkward("few rows.csv", as_csv(frame[::6]), rows=54, note="rare classes stratified")


def german_thousands():
    """Return a table in which 1.024 is a thousand and 24, and 3,75 is three and three quarters."""
    frame = penguins().dropna()
    frame = pd.concat([frame, frame])[:ROWS]
    mass = [f"{int(value) // 1000}.{int(value) % 1000:03d}" for value in frame["mass"]]
    return frame.assign(mass=mass).to_csv(index=False, sep=";", decimal=",").encode()
