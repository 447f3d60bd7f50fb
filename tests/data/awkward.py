"""Real-world trouble, made from the bundled tables: of each kind a file, and how a good tool ends with it."""

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
    """A file that is hard to read.

    Attributes
    ----------
    file : str
        Name, which says the kind.
    content : bytes
    refused : str
        What the message must say; empty where the table is read.
    rows, columns : int
        Of the training and test rows together, target included.
    kinds : dict
        Expected dtypes' kinds of some columns.
    told : str
        What the notebook must say.
    target, task : str
    """

    file: str
    content: bytes
    refused: str = ""
    rows: int = ROWS
    columns: int = 6
    kinds: tuple = ()
    told: str = ""
    target: str = "species"
    task: str = "multiclass"


def penguins():
    frame = pd.read_csv(ROOT / "data" / "penguins_raw.csv")[_SOURCES].set_axis(_NAMES, axis=1).head(ROWS)
    return frame.assign(species=frame["species"].str.split().str[0])


_MARKED = {
    "percent": lambda one: f"{one:.1f}%",
    "brackets": lambda one: f"({one:,.1f})",
    "apostrophes": lambda one: f"{one * 1000:,.0f}".replace(",", "'"),
    "narrow blanks": lambda one: f"{one * 1000:,.0f}".replace(",", "\u202f"),
    "minus behind": lambda one: f"{one:.1f}-",
    "typographic minus": lambda one: f"\u2212{one:.1f}",
    "currency code": lambda one: f"CHF {one:.2f}",
    "unit": lambda one: f"{one:.1f} kg",
    "unit with a power": lambda one: f"{one:.0f}m2",
    "plural": lambda one: f"{one:.0f} day{'s' if int(one) % 3 else ''}",
}


def _marked(plain):
    """Numbers with something around them, and two that are no numbers: of two currencies, and some of them percent."""
    values = plain["culmen"].fillna(40)
    for kind, write in _MARKED.items():
        table = as_csv(plain.assign(marked=values.map(write)))
        yield Awkward(f"{kind}.csv", table, columns=7, kinds=(("marked", "f"),), told="marked is one of numbers")
    several = {
        "two currencies": ("${}", "€{}", "in several units ($, €)"),
        "percent and shares": ("{}%", "{}", "in several units (%, none)"),
        "two units": ("{} kg", "{} g", "in several units (g, kg)"),
        "some with a unit": ("{}more", "{}", "in several units (more, none)"),
    }
    for kind, (*marks, told) in several.items():
        texts = [marks[place % 2].format(one) for place, one in enumerate(values)]
        yield Awkward(f"{kind}.csv", as_csv(plain.assign(marked=texts)), columns=7, kinds=(("marked", "O"),), told=told)


def _of_spreadsheets(plain, text):
    """What stands around a table where it was made for people."""
    padded = b"Penguins,,,,,\r\nas of May,,,,,\r\n"
    yield Awkward("title.csv", b"Penguins of Palmer\n\n" + text, told="1 line above the header left out")
    yield Awkward("titles.csv", padded + text.replace(b"\n", b"\r\n"), told="2 lines above the header left out")
    lines = text.decode().splitlines(keepends=True)
    again = "".join([*lines, "\ufeff", lines[0], *lines[1:11]]).encode()
    yield Awkward("header again.csv", again, rows=ROWS + 10, told="1 row says the header again and was left out")
    mass = plain["mass"].sum()
    sure = text + f"Adelie,Total,,,{mass},\n".encode()
    yield Awkward("total.csv", sure, told="Line 322, the last, says 'Total' in island and the sum of the rows above")
    unsure = text + b"Adelie,Total:,40,,,\n"
    yield Awkward("perhaps a total.csv", unsure, rows=ROWS + 1, told="'Total' in island: where it sums up the rows")
    spelt = plain["species"].where(np.arange(ROWS) % 7 > 0, plain["species"].str.upper() + " ")
    yield Awkward("spelt otherwise.csv", as_csv(plain.assign(species=spelt)), told="'ADELIE ' into 'Adelie'")


def _of_other_kinds(text):
    """Files that are not what their names say."""
    mixed = text.replace(b"Torgersen", "Törgersen".encode(), 20).replace(b"Dream", "Drëam".encode("cp1252"))
    yield Awkward(
        "two encodings.csv", mixed, "line 2 has 'ö' in UTF-8, and line .* the byte 0xeb, which is none of UTF-8"
    )
    yield Awkward("packed twice.zip", zipped({"inside.csv.gz": gzip.compress(text)}))
    yield Awkward("of a Mac.zip", zipped({"inside.csv": text, "__MACOSX/._inside.csv": b"x", ".DS_Store": b"x"}))
    workbook = zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"})
    yield Awkward("workbook.csv", workbook, "is no text but an Excel workbook")
    yield Awkward("page.csv", b"<!DOCTYPE html><html><table>", "a page of HTML")
    yield Awkward("records.csv", b'[{"species":"Adelie"}]', "is no table of text but JSON")


def zipped(files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return archive.getvalue()


def as_csv(frame, **options):
    return frame.to_csv(index=False, **options).encode()


def _lines(content, **changes):
    lines = content.decode().split("\n")
    for place, change in changes.items():
        lines[int(place.strip("_"))] = change(lines[int(place.strip("_"))])
    return "\n".join(lines).encode()


def kinds():
    """One file of each kind."""
    plain, half = penguins(), np.arange(ROWS) % 2 == 0
    text = as_csv(plain)
    codes = [f"{place * 37 % 1000:05d}" for place in range(ROWS)]
    mixed = plain["mass"].astype(object)
    mixed[3], mixed[5], mixed[7], mixed[9], mixed[11], mixed[12] = "n/a", "4e3", "$4,050.50", " ", "12", "?"
    days = pd.date_range("2020-01-28", periods=ROWS)
    parquet = io.BytesIO()
    plain.assign(
        island=plain["island"].astype("category"),
        flipper=plain["flipper"].astype("Int64"),
        when=days.tz_localize("UTC"),
    ).to_parquet(parquet)
    german = plain.rename(columns={"species": "Spezies", "mass": "größe"})
    yield Awkward("plain.csv", text)
    yield Awkward(
        "latin1.csv",
        as_csv(german, sep=";", decimal=",").decode().encode("cp1252"),
        target="Spezies",
        kinds=(("größe", "f"), ("culmen", "f")),
        told="Windows' Latin-1 (cp1252), separated by semicolons. The decimal mark is the comma.",
    )
    yield Awkward("thousands.csv", german_thousands(), kinds=(("mass", "if"),), told="The decimal mark is the comma.")
    yield Awkward("bom.csv", b"\xef\xbb\xbf" + text)
    yield Awkward("tabs.csv", as_csv(plain, sep="\t"))
    excel = b"\xef\xbb\xbfsep=;\r\n" + as_csv(plain, sep=";")
    yield Awkward("excel.csv", excel)
    yield Awkward("excel, too many fields.csv", _lines(excel, _101=lambda line: line + ";1"), "but line 102 has 7")
    yield Awkward("quoted newlines.csv", as_csv(plain.assign(remark='a\n"b", c')), columns=7)
    yield Awkward(
        "too many fields.csv",
        _lines(text, _101=lambda line: line + ",1,2", _201=lambda line: line + ",x"),
        "expected 6 fields, but line 102 has 8; line 202 has 7. Mend these lines",
    )
    yield Awkward("too few fields.csv", _lines(text, _101=lambda line: line.rsplit(",", 1)[0]))
    yield Awkward("open quote.csv", _lines(text, _50=lambda line: '"' + line), "a quote in line 51 is never closed")
    yield Awkward("nul.csv", _lines(text, _30=lambda line: line + "\0"), "line 31 has a NUL byte")
    yield Awkward(
        "header twice.csv",
        text.replace(b"culmen,flipper", b"culmen,culmen"),
        told="Column 4 is another 'culmen' and was renamed to 'culmen.2'",
    )
    yield Awkward(
        "target twice.csv", text.replace(b"island,", b"species,", 1), "has 2 columns 'species' .columns 1 and 2"
    )
    yield Awkward("blanks in header.csv", text.replace(b"species,island", b" species , is land/($)?"))
    yield Awkward("empty.csv", b"", "is empty .0 bytes")
    yield Awkward("header only.csv", text.split(b"\n")[0] + b"\n", "a header of 6 columns and no row")
    yield Awkward("one row.csv", b"\n".join(text.split(b"\n")[:2]), "Only 1 rows have a value of species")
    yield Awkward("saved index.csv", plain.to_csv().encode(), told="Unnamed: 0")
    yield Awkward("constant.csv", as_csv(plain.assign(same=1, nothing=None)), columns=8)
    yield Awkward(
        "mixed types.csv",
        as_csv(plain.assign(mass=mixed)),
        kinds=(("mass", "f"),),
        told="'?' in mass count as missing",
    )
    yield Awkward("codes.csv", as_csv(plain.assign(zip=codes)), columns=7, kinds=(("zip", "O"),))
    yield from _marked(plain)
    yield from _of_spreadsheets(plain, text)
    yield from _of_other_kinds(text)
    yield Awkward("hexadecimal.csv", as_csv(plain.assign(code="0x1F")), columns=7, kinds=(("code", "O"),))
    yield Awkward(
        "long numbers.csv",
        as_csv(plain.assign(card=[f"41{place:016d}" for place in range(ROWS)])),
        columns=7,
        kinds=(("card", "iO"),),
    )
    yield Awkward("booleans.csv", as_csv(plain.assign(wet=half, yes=np.where(half, "T", "F"))), columns=8)
    yield Awkward(
        "dates.csv", as_csv(plain.assign(day=days, eu=days.strftime("%d/%m/%Y"))), columns=8, kinds=(("day", "O"),)
    )
    yield Awkward(
        "infinite.csv",
        as_csv(plain.assign(ratio=np.where(half, "inf", "1e400"))),
        columns=7,
        told="infinite values of ratio",
    )
    once = pd.concat([plain, plain[:1].assign(species="Emperor")])
    yield Awkward("class seen once.csv", as_csv(once), rows=ROWS + 1, told="'Emperor' (0)")
    some = plain.assign(species=plain["species"].where(np.arange(ROWS) % 20 > 0))
    yield Awkward("target missing.csv", as_csv(some), rows=ROWS - 16, told="Dropped 16 rows without a value of species")
    yield Awkward("one class.csv", as_csv(plain.assign(species="Adelie")), "has only one class")
    yield Awkward("class numbers.csv", as_csv(plain.assign(species=plain["species"].factorize()[0])))
    yield Awkward("number with words.csv", as_csv(plain), "must contain numbers", target="sex", task="regression")
    yield Awkward("packed.csv.gz", gzip.compress(text))
    yield Awkward("packed.zip", zipped({"inside.csv": text}))
    yield Awkward("table.parquet", parquet.getvalue(), columns=7)
    yield Awkward("cut.parquet", parquet.getvalue()[:2000], "is no whole Parquet file")
    yield Awkward("few rows.csv", as_csv(plain[::6]), rows=54, told="rare classes dealt out")


def german_thousands():
    """1.024 is a thousand and 24 where 3,75 is three and three quarters."""
    frame = penguins().dropna()
    frame = pd.concat([frame, frame])[:ROWS]
    mass = [f"{int(value) // 1000}.{int(value) % 1000:03d}" for value in frame["mass"]]
    return frame.assign(mass=mass).to_csv(index=False, sep=";", decimal=",").encode()
