"""Synthetic rows such as clients might send, drawn from the statistics of each column in the training data."""

from __future__ import annotations

import datetime
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.scoring.columns import Column
    from lib.scoring.model import Model

ROW_COUNT = 200
_MISSING_SHARE = 0.15


def draw_table(model: Model) -> dict[str, list]:
    """Draw `ROW_COUNT` rows of valid values, returned by column. The same model always gets the same rows.

    The values include missing ones, unseen categories, and numbers at the ends of a range and beyond them.
    """
    generator = random.Random(0)
    return {
        column.name: [_draw_value(column, model.baseline.get(column.name, {}), generator) for _ in range(ROW_COUNT)]
        for column in model.columns
    }


def _draw_value(column: Column, statistics: dict[str, Any], generator: random.Random) -> Any:
    if column.nullable and generator.random() < _MISSING_SHARE:
        return None
    json_type = column.kind.json_schema["type"]
    minimum, maximum = statistics.get("minimum"), statistics.get("maximum")
    if json_type == "boolean":
        return generator.random() < 0.5
    if column.kind.name == "datetime":
        return _draw_datetime(minimum, maximum, generator)
    if "enum" in column.kind.json_schema:
        return generator.choice(column.kind.json_schema["enum"])
    if json_type == "string":
        texts = ["01:30:00", "7", *(statistics.get("categories") or {}), "never seen in training", "", "2024-02-29"]
        return generator.choice([text for text in texts if column.kind.is_valid(text)])
    low = minimum if minimum is not None else 0.0
    high = maximum if maximum is not None else 1.0
    quantiles = statistics.get("quantiles", {}).values()
    beyond = 2 * high - low
    value = generator.choice([low, high, *quantiles, beyond, generator.uniform(low, high)])
    return int(value) if json_type == "integer" else value


def _draw_datetime(minimum: str | None, maximum: str | None, generator: random.Random) -> str:
    first = datetime.datetime.fromisoformat(minimum or "2000-01-01").replace(tzinfo=None)
    last = datetime.datetime.fromisoformat(maximum or "2030-01-01").replace(tzinfo=None)
    return (first + generator.random() * (last - first)).isoformat(timespec="seconds")
