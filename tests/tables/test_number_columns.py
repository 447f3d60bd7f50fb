"""Numbers of a text file read in parts equal those of the file read as a whole."""

import numpy as np
import pytest

from lib.schema import number_columns
from lib.tables import frames
from lib.tables.files import batches

COLUMNS = {
    "constant": ["1", "2", "3", "4", "5"],
    "plain": ["1024", "3.5", "-7", "1e3", "0.25"],
    "amounts": ["1,024", "12", "3,750.5", "1,000,000", "7"],
    "decimal commas": ["1,024", "3,75", "1.000,5", "12", "7,25"],
    "decimal commas and gaps": ["1,024", "", "3,75", "n/a", "0,5"],
    "thousands": ["1.024", "2.000", "12", "3.750", "999"],
    "currency": ["$1", "$2", "$3.50", "$4", "$5"],
    "minus signs": ["12-", "(3)", "−4", "5", "6"],
    "units": ["10 kg", "11 kg", "12.5 kg", "13 kg", "14 kg"],
    "percent": ["1%", "2 %", "3.5%", "4%", "5%"],
    "missing": ["1", "-", "?", "n/a", "5"],
}
TOGETHER = ["decimal commas", "thousands"]  # the commas of one column decide the meaning of the other's points
ROUNDS = 30


def write_table(path, separator, names):
    """Write a table that repeats the values of these columns in shuffled order."""
    rows = [separator.join(names)] + [
        separator.join(f'"{COLUMNS[name][(row * 7) % 5]}"' for name in names) for row in range(5 * ROUNDS)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", [[name] for name in COLUMNS if name != "constant"] + [TOGETHER], ids=" and ".join)
def test_parts_have_the_numbers_of_the_whole_table(tmp_path, names, separator):
    path = write_table(tmp_path / "table.csv", separator, [*names, "constant"])
    whole = frames.read(path)
    dialect = batches.detect_dialect(path)
    formats = batches.infer_number_formats(path, dialect, 7)
    parts = [
        number_columns.parse_numbers(part, names, formats) for part in batches.read(path, dialect, 2)
    ]  # too few rows to infer from
    for name in names:
        if whole[name].dtype.kind not in "if":  # models treat the column as text
            continue
        cells = [cell for part in parts for cell in part[name]]
        numbers = np.array([np.nan if cell is None or isinstance(cell, str) else cell for cell in cells], dtype=float)
        np.testing.assert_array_equal(numbers, whole[name].to_numpy(dtype=float), err_msg=str(cells[:5]))


def test_words_stay_text_and_missing_codes_become_none(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("size\n1\nlarge\nn/a\n\n2\n")
    (part,) = batches.read(path, batches.detect_dialect(path), 10)
    part = number_columns.parse_numbers(part, ["size", "not there"], {})
    assert part["size"].tolist() == [1.0, "large", None, 2.0]


def test_typed_columns_are_unchanged():
    import pandas as pd

    frame = pd.DataFrame({"size": [1.5, None], "word": ["1", "2"]})
    assert number_columns.parse_numbers(frame, ["size"], {}).equals(frame)
