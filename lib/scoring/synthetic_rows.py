"""Rows as clients might send them, drawn from what the baseline says of each column."""

from __future__ import annotations

import datetime
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.scoring.columns import Column
    from lib.scoring.model import Model

ROWS = 200


def table(model: Model) -> dict[str, list]:
    """Checked values by column, the same each time: missing ones, unseen categories, ends of ranges and beyond."""
    chance = random.Random(0)
    return {
        column.name: [_value(column, model.baseline.get(column.name, {}), chance) for _ in range(ROWS)]
        for column in model.columns
    }


def _value(column: Column, statistics: dict[str, Any], chance: random.Random) -> Any:
    """A value of a column as a client might send it."""
    if column.nullable and chance.random() < 0.15:
        return None
    kind = column.kind.schema["type"]
    low, high = statistics.get("minimum"), statistics.get("maximum")
    if kind == "boolean":
        return chance.random() < 0.5
    if "pattern" in column.kind.schema:
        first = datetime.datetime.fromisoformat(low) if low else datetime.datetime(2000, 1, 1)
        last = datetime.datetime.fromisoformat(high) if high else datetime.datetime(2030, 1, 1)
        moment = first.replace(tzinfo=None) + chance.random() * (last.replace(tzinfo=None) - first.replace(tzinfo=None))
        return moment.isoformat(timespec="seconds")
    if kind == "string":
        return chance.choice([*(statistics.get("categories") or {}), "never seen in training", ""])
    ends = [low if low is not None else 0.0, high if high is not None else 1.0]
    values = [*ends, *statistics.get("quantiles", {}).values(), 2 * ends[1] - ends[0], chance.uniform(*ends)]
    value = chance.choice(values)
    return int(value) if kind == "integer" else value
