"""Columns that mix formats are reported when a table is read, with and without a stored schema."""

import pytest

from lib.schema.table_schema import TableSchema
from lib.tables import frames, proposal
from lib.tables.schema_source import SchemaSource

ROWS = 200
DAYS = [(1 + row % 28, 1 + row % 12) for row in range(ROWS)]
GERMAN = [f"{day:02}.{month:02}.2024" for day, month in DAYS]
AMERICAN = [f"{month:02}/{13 + day % 15:02}/2024" for day, month in DAYS]
WORDS = ["soon", "later", "open"] * ROWS


def alternate(first, second, every=2):
    return [second[row] if row % every == 0 else first[row] for row in range(ROWS)]


MIXED = {
    "dates in two formats": (alternate(GERMAN, AMERICAN), "its dates have several formats ("),
    "a quarter in another format": (alternate(GERMAN, AMERICAN, 4), "several formats (dd.mm.yyyy, mm/dd/yyyy)"),
    "dates and words": (
        alternate(GERMAN, WORDS),
        "only 50% of its values are dates (dd.mm.yyyy)",
    ),
    "decimal commas and points": (
        alternate([f"{row % 90 + 1}.{row % 10}5" for row in range(ROWS)], [f"{row % 90},5" for row in range(ROWS)]),
        "stays text",
    ),
    "thousands of both kinds": (
        alternate([f"{row + 1},{row:03}.50" for row in range(ROWS)], [f"{row + 1}.{row:03},50" for row in range(ROWS)]),
        "some numbers have a decimal comma ('1.000,50'), others a decimal point ('2,001.50')",
    ),
    "numbers and words": (alternate([str(row) for row in range(ROWS)], WORDS), "100 of its values are not numbers"),
    "units": (alternate([f"{row} kg" for row in range(ROWS)], [f"{row} lb" for row in range(ROWS)]), "different units"),
    "truth values": (["True", "yes", "0", "1"] * (ROWS // 4), "spells true and false in several ways"),
}
ALIKE = {
    "German dates": GERMAN,
    "codes": ["1E2", "V57", "007", "250.83"] * (ROWS // 4),
    "words": WORDS[:ROWS],
    "versions": [f"{row % 5}.{row % 7}.{row % 9}" for row in range(ROWS)],
    "yes and no": ["yes", "no"] * (ROWS // 2),
    "numbers": [f"{row}.5" for row in range(ROWS)],
    "decimal commas": [f"{row},5" for row in range(ROWS)],
}


def read(folder, values):
    path = folder / "table.csv"
    path.write_text("x;size;y\n" + "".join(f"{value};{row % 7}.5;{row % 2}\n" for row, value in enumerate(values)))
    frame = frames.read(path)
    stored = TableSchema.from_dict(frame.attrs[frames.SCHEMA])
    return frame, frames.read(path, schema_source=SchemaSource(stored))


@pytest.mark.parametrize(("values", "message"), MIXED.values(), ids=MIXED)
def test_mixed_formats_are_told_in_one_sentence(tmp_path, values, message):
    frame, _ = read(tmp_path, values)
    (note,) = [note for note in frame.attrs[frames.NOTES] if note.startswith("x ")]
    assert message in note
    (table_finding, *_) = proposal.propose(frame, "y").findings
    assert note in table_finding[2]


@pytest.mark.parametrize(("values", "message"), list(MIXED.values())[:3] + list(MIXED.values())[-1:])
def test_mixed_formats_are_told_if_the_schema_is_known(tmp_path, values, message):
    _, frame = read(tmp_path, values)
    assert sum(message in note for note in frame.attrs[frames.NOTES]) == 1


@pytest.mark.parametrize("values", ALIKE.values(), ids=ALIKE)
def test_other_columns_are_not_reported(tmp_path, values):
    for frame in read(tmp_path, values):
        assert not [note for note in frame.attrs[frames.NOTES] if note.startswith("x ")]
