"""The entry of a job that asks a model: it runs in the model's own environment, as the endpoint's ``score.py`` does.

It travels beside ``lib/serving`` and imports nothing else of this project.
"""

from __future__ import annotations

import json
from pathlib import Path

MODEL, ROWS, OUTPUT = "model", "rows.parquet", "outputs/answer.json"


def main() -> None:
    """Ask the model in `MODEL` about the rows in `ROWS`."""
    import pandas as pd

    from lib.scoring.model import load

    model, rows = load(MODEL).estimator, pd.read_parquet(ROWS)
    answer = {"predictions": model.predict(rows).tolist()}
    if hasattr(model, "predict_proba"):
        answer |= {"probabilities": model.predict_proba(rows).tolist(), "classes": list(model.classes_.tolist())}
    Path(OUTPUT).parent.mkdir(exist_ok=True)
    Path(OUTPUT).write_text(json.dumps(answer), encoding="utf-8")
    print(f"{len(rows):,} rows asked", flush=True)


if __name__ == "__main__":
    main()
