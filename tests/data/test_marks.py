"""Numbers of a text file that is read in parts: as those of the file that is read whole."""

import numpy as np
import pytest

from lib.data import batches, marks, tables

COLUMNS = {
    "beside": ["1", "2", "3", "4", "5"],
    "plain": ["1024", "3.5", "-7", "1e3", "0.25"],
    "amounts": ["1,024", "12", "3,750.5", "1,000,000", "7"],
    "decimal commas": ["1,024", "3,75", "1.000,5", "12", "7,25"],
    "decimal commas and gaps": ["1,024", "", "3,75", "n/a", "0,5"],
    "thousands": ["1.024", "2.000", "12", "3.750", "999"],
    "marked": ["$1", "$2", "$3.50", "$4", "$5"],
    "signs": ["12-", "(3)", "−4", "5", "6"],
    "units": ["10 kg", "11 kg", "12.5 kg", "13 kg", "14 kg"],
    "percent": ["1%", "2 %", "3.5%", "4%", "5%"],
    "missing": ["1", "-", "?", "n/a", "5"],
}
TOGETHER = ["decimal commas", "thousands"]  # what points are is told by another column's commas
ROUNDS = 30


def written(path, separator, names):
    """A table of these columns, again and again, with rows that nobody's order gives away."""
    rows = [separator.join(names)] + [
        separator.join(f'"{COLUMNS[name][(at * 7) % 5]}"' for name in names) for at in range(5 * ROUNDS)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", [[name] for name in COLUMNS if name != "beside"] + [TOGETHER], ids=" and ".join)
def test_a_part_has_the_numbers_of_the_whole(tmp_path, names, separator):
    path = written(tmp_path / "table.csv", separator, [*names, "beside"])
    whole = tables.read(path)
    dialect = batches.dialect_of(path)
    known = batches.marks_of(path, dialect, 7)
    parts = [marks.read_numbers(part, names, known) for part in batches.read(path, dialect, 2)]  # too few to tell by
    for name in names:
        if whole[name].dtype.kind not in "if":  # none that a model would take for numbers
            continue
        got = [cell for part in parts for cell in part[name]]
        read = np.array([np.nan if cell is None or isinstance(cell, str) else cell for cell in got], dtype=float)
        np.testing.assert_array_equal(read, whole[name].to_numpy(dtype=float), err_msg=str(got[:5]))


def test_what_is_no_number_stays_as_it_is(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("size\n1\nlarge\nn/a\n\n2\n")
    (part,) = batches.read(path, batches.dialect_of(path), 10)
    part = marks.read_numbers(part, ["size", "not there"], {})
    assert part["size"].tolist() == [1.0, "large", None, 2.0]


def test_columns_of_numbers_are_left_alone():
    import pandas as pd

    frame = pd.DataFrame({"size": [1.5, None], "word": ["1", "2"]})
    assert marks.read_numbers(frame, ["size"], {}).equals(frame)
