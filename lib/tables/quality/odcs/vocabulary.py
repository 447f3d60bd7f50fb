"""Terms that the export to and the import from the Open Data Contract Standard share."""

from __future__ import annotations

from lib.tables.quality.profile import BOOLEAN, DATE, NUMBER, TEXT, WHOLE

API_VERSION = "v3.1.0"
LOGICAL_TYPES = {BOOLEAN: "boolean", WHOLE: "integer", NUMBER: "number", DATE: "date", TEXT: "string"}
TYPES = {logical: kind for kind, logical in LOGICAL_TYPES.items()} | {"timestamp": DATE}
# Logical types whose options may hold a minimum and a maximum in numbers.
WITH_RANGE = ("integer", "number")
# Rules that the standard has no term for. They are custom properties, named in camel case as the standard asks.
ALLOW_EXTRA_COLUMNS, MAX_DRIFT = "millraceAllowExtraColumns", "millraceMaxDrift"
COLUMN_PROPERTIES = {
    "minimum": "millraceMinimum",
    "maximum": "millraceMaximum",
    "max_invalid_share": "millraceMaxInvalidShare",
    "bins": "millraceBins",
    "shares": "millraceShares",
    "sample_size": "millraceSampleSize",
}
