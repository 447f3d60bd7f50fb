"""The entry script of a job that scores rows with a model, in the environment and with the code of the model.

The job's folder contains the files of the model's ``code/`` folder. This script imports nothing else of this project.
"""

from __future__ import annotations

import json
from pathlib import Path

MODEL, ROWS, OUTPUT = "model", "rows.parquet", "outputs/answer.json"


def main() -> None:
    """Score the rows in `ROWS` with the model in `MODEL`, and write the answer to `OUTPUT`."""
    import pandas as pd

    from lib.scoring.model import load_model

    model, rows = load_model(MODEL).estimator, pd.read_parquet(ROWS)
    answer = {"predictions": model.predict(rows).tolist()}
    if hasattr(model, "predict_proba"):
        answer |= {"probabilities": model.predict_proba(rows).tolist(), "classes": model.classes_.tolist()}
    Path(OUTPUT).parent.mkdir(exist_ok=True)
    Path(OUTPUT).write_text(json.dumps(answer), encoding="utf-8")
    print(f"{len(rows):,} rows scored", flush=True)


if __name__ == "__main__":
    main()
