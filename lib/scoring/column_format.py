"""The format of a model's columns in the training table, stored with the model so that requests are read the same way.

The signature of an MLflow model has too few types: it cannot tell a date that is text from other text, or a time in New
York from one without a time zone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "columns.json"
DURATION = "duration"


@dataclass(frozen=True)
class ColumnFormat:
    """The format of one column.

    Attributes
    ----------
    date_format : str
        Format of dates that are text, see `lib.schema.datetimes`; empty for other columns.
    time_zone : str
        Time zone of datetimes, an IANA name or an offset; empty if they have none.
    unit : str
        Unit of datetimes in the DataFrame that the model was trained on, such as ``"us"``; ``"ns"`` if empty.
    missing_codes : tuple of str
        Texts other than dates that a column of dates contains, and that count as missing.
    converted_from : str
        ``"duration"`` if training converted durations to seconds; else empty.
    """

    date_format: str = ""
    time_zone: str = ""
    unit: str = ""
    missing_codes: tuple[str, ...] = ()
    converted_from: str = ""


def write(folder: Path, formats: Mapping[str, ColumnFormat]) -> None:
    """Write the formats that differ from the default into a model folder."""
    content = {
        name: {key: value for key, value in asdict(column_format).items() if value}
        for name, column_format in formats.items()
        if column_format != ColumnFormat()
    }
    (folder / FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, ColumnFormat]:
    """Read the formats by column name; empty if the folder has no such file."""
    if not (folder / FILE).is_file():
        return {}
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return {
        name: ColumnFormat(**{**values, "missing_codes": tuple(values.get("missing_codes", ()))})
        for name, values in content.items()
    }
