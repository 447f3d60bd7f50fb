"""The kind of a column: stored by preprocess, and the same in init, the notebook, the model, /docs and the form."""

import datetime
import json
import re

import numpy as np
import pandas as pd
import pytest

from lib.scoring.model import load_model
from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits
from lib.scoring.scorer import Scorer
from lib.serving.server import openapi, pages
from lib.tables import frames, proposal
from tests import workspaces
from tests.workspaces import pipeline_in, preprocess

ROWS = 400
KINDS = {
    "weight": "number",
    "diagnosis": "code",
    "city": "category",
    "size": "ordered",
    "remark": "text",
    "since": "datetime",
    "took": "duration",
    "member": "boolean",
}
SIZES = ["S", "M", "L"]
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")


def eight_kinds():
    """Return a table with a column of each kind, and a target that depends on the sizes and the durations."""
    random = np.random.default_rng(0)
    size = random.integers(0, 3, ROWS)
    seconds = random.integers(60, 9000, ROWS)
    days = [datetime.date(2023, 1, 1) + datetime.timedelta(int(day)) for day in random.integers(0, 700, ROWS)]
    words = "late early train bus seat window aisle ticket broken heater quiet crowded".split()
    frame = pd.DataFrame(
        {
            "weight": random.normal(70, 9, ROWS),
            "diagnosis": [f"{number}" if number % 3 else f"V{number}" for number in random.integers(100, 140, ROWS)],
            "city": random.choice(["Oslo", "Rome"], ROWS),
            "size": pd.Categorical.from_codes(size, SIZES, ordered=True),
            "remark": [" ".join(random.choice(words, 6)) for _ in range(ROWS)],
            "since": [day.strftime("%d.%m.%Y") for day in days],
            "took": pd.to_timedelta(seconds, unit="s"),
            "member": random.random(ROWS) > 0.5,
            "bought": np.where(size * 3000 + seconds > 7000, "yes", "no"),
        }
    )
    frame.loc[::20, "since"] = "unknown"
    return frame


@pytest.fixture
def served(workspace):
    """Return the preprocess result, and the scorer of a model that was trained on all kinds."""
    path = workspace / "kinds.parquet"
    eight_kinds().to_parquet(path)
    pipeline = pipeline_in(workspace, data=str(path), drop_columns=[], training_function="gradient_boosting")
    result = preprocess(pipeline)
    run = pipeline.backend.tracking.candidate_run(pipeline.train().run_id)
    folder = pipeline.backend.tracking.model_folder(*pipeline.backend.tracking.model_source(run))
    return result, Scorer(load_model(folder, "kinds", "1"))


def test_all_places_show_the_same_kind(served, workspace):
    result, scorer = served
    assert result.columns["kind"].drop("bought").to_dict() == KINDS
    proposed = proposal.propose(frames.read(workspace / "kinds.parquet"), "bought")
    assert proposed.kinds == KINDS
    features = next(finding for aspect, finding, _ in proposed.findings if aspect == "features")
    assert all(f"{kind} (1): {name}" in features for name, kind in KINDS.items())
    document = openapi.describe(scorer.model, Limits(), classes=scorer.classes)
    row = document["components"]["schemas"]["Row"]["properties"]
    assert {name: column["x-kind"] for name, column in row.items()} == KINDS
    docs = pages.documentation(scorer.model, document, "http://localhost/")
    assert dict(re.findall(r"<tr><td>(\w+)</td><td>(\w+)</td><td>(?!Re|Ch|Sh)", docs)).items() >= KINDS.items()
    fields = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', pages.form(scorer.model, {}, 10), re.DOTALL)[1])[
        "fields"
    ]
    assert {field["name"]: field["kind"] for field in fields} == KINDS


def test_model_reads_each_column_as_its_kind(served):
    encoder = load_encoder(served)
    readers = {name: type(column).__name__ for name, column in encoder.columns_.items()}
    assert readers == {
        "weight": "NumberColumn",
        "diagnosis": "CategoryColumn",
        "city": "CategoryColumn",
        "size": "OrderedColumn",
        "remark": "TextColumn",
        "since": "DateColumn",
        "took": "DurationColumn",
        "member": "NumberColumn",
    }
    assert encoder.columns_["size"].categories == SIZES
    assert encoder.columns_["since"].date_format == "%d.%m.%Y"


def load_encoder(served):
    """Return the encoder of the trained model."""
    return served[1].model.estimator[0]


def test_requests_are_read_as_in_training(served):
    scorer = served[1]
    row = scorer.model.examples[0]

    def refusal(**changes):
        with pytest.raises(RequestError) as caught:
            scorer.score(json.dumps({"data": [{**row, **changes}]}))
        return caught.value.message

    assert refusal(size="XL") == 'row 0, column \'size\': got the text "XL", expected one of "S", "M", "L".'
    assert "a date written as dd.mm.yyyy" in refusal(since="rubbish")
    assert "a date written as dd.mm.yyyy" in refusal(since="12/31/2023")
    assert "a number of seconds" in refusal(took="01:30:00")
    assert "expected text" in refusal(diagnosis=57)
    for since in ("31.12.2023", "2023-12-31", "unknown", None):
        scorer.score(json.dumps({"data": [{**row, "since": since}]}))
    answers = [scorer.score(json.dumps({"data": [{**row, "since": since}]})) for since in ("31.12.2023", "2023-12-31")]
    assert answers[0] == answers[1]
