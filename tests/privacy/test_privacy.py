"""Privacy: values of private and free-text columns, and rows, appear in nothing that is written or shown."""

import json
import urllib.request

import numpy as np
import pandas as pd
import pytest

from lib.commands import main
from lib.errors import DataError
from lib.paths import ROOT
from lib.schema.table_schema import ColumnSchema, TableSchema
from lib.secrets import known_values, private_values, redaction
from lib.secrets.masked_errors import masked_errors
from lib.tables.quality.baseline import describe
from lib.tables.quality.privacy import draw_sample, hide_values
from tests import workspaces

quick = workspaces.quick
ROWS = 300
SALARIES = np.random.default_rng(1).integers(10**8, 10**9, ROWS)


@pytest.fixture(autouse=True)
def no_private_values():
    yield
    private_values.forget_all()


def secret_table():
    """Return customers whose private and free-text cells contain marks that can be searched for."""
    random = np.random.default_rng(0)
    size = random.normal(size=ROWS)
    streets = [f"Geheimgasse {row}, Haus <{row}> & Hof" for row in range(ROWS)]
    return pd.DataFrame(
        {
            "account": [f"KONTO-{row:04d}-XQ" for row in range(ROWS)],
            "salary": SALARIES,
            "town": random.choice(["Heimlichstadt", "Verschwiegen am See"], ROWS),
            "street": streets,
            "notes": [f"Notizwort{row} was said on day {row}" for row in range(ROWS)],
            "size": size.round(3),
            "colour": random.choice(["green", "red"], ROWS),
            "bought": np.where(size + random.normal(scale=0.5, size=ROWS) > 0.2, "yes", "no"),
        }
    )


MARKS = ("KONTO-", "Heimlichstadt", "Verschwiegen", "Geheimgasse", "Notizwort", *map(str, SALARIES))
PRIVATE = ["account", "salary", "town", "street"]


def find_marks(text):
    return sorted({text[max(0, place - 40) : place + 40] for mark in MARKS if (place := text.find(mark)) >= 0})


@pytest.mark.parametrize(
    "show",
    [str, lambda text: json.dumps({"a": text}), lambda text: f"<td>{text}</td>", lambda text: f"x={text!r},"],
)
def test_private_values_are_masked_in_texts_and_are_no_secrets(show):
    values = ["Ada Lovelace", 'Braund, Mr. "Owen" Harris', "Fischer & Söhne\nBerlin", "+49 30 1234-567", "ÄÖÜß 7"]
    private_values.remember([*values, 4410221, 12.5, "abc", "true", None, float("nan")])
    for value in values:
        masked = known_values.mask(f"before {show(value)} after")
        assert "[private]" in masked and value not in masked and masked.startswith("before "), masked
        assert redaction.redact(show(value))[1] == []
    assert known_values.mask("abc 12.5 true 4410221 44102210") == "abc 12.5 true [private] 44102210"


def test_the_longest_value_and_a_cut_off_value_are_masked():
    private_values.remember(["Anna Schmidt", "Anna Schmidt-Mayer", "a very long private sentence about somebody"])
    assert private_values.mask("Anna Schmidt-Mayer, Anna Schmidt, Anna") == "[private], [private], Anna"
    assert private_values.mask("<td>a very long private sen...</td>") == "<td>[private]</td>"


def test_an_error_shows_no_private_value():
    private_values.remember(["KONTO-0001-XQ"])
    with pytest.raises(ValueError, match=r"could not convert string to float: '\[private\]'"), masked_errors():
        float("KONTO-0001-XQ")
    with pytest.raises(DataError, match=r"row 1: \[private\]"), masked_errors():
        raise DataError("row 1: KONTO-0001-XQ")


def test_the_baseline_has_no_values_of_private_and_free_text_columns():
    table = secret_table()
    hidden = hide_values(describe(table, "bought"), PRIVATE)
    assert find_marks(json.dumps(hidden)) == []
    assert hidden["columns"]["colour"]["categories"] and hidden["columns"]["size"]["quantiles"]
    assert hidden["columns"]["salary"].keys() >= {"mean", "deviation"}
    assert hide_values({"rows": 3}, ["a"]) == {"rows": 3}


@pytest.mark.parametrize("seed", range(5))
def test_synthetic_rows_have_the_types_but_no_row_of_the_table(seed):
    random = np.random.default_rng(seed)
    table = secret_table().assign(
        day=pd.date_range("2024-01-01", periods=ROWS),
        when=pd.date_range("2024-01-01", periods=ROWS, tz="Europe/Berlin"),
        flag=random.random(ROWS) < 0.5,
        tall=pd.Series(random.choice([True, None], ROWS), dtype=object),
        empty=pd.Series([None] * ROWS, dtype=object),
        whole=random.integers(0, 10**6, ROWS),
        arrow=pd.Series(random.choice(["a", "b"], ROWS), dtype="string[pyarrow]"),
        level=pd.Categorical(random.choice(["low", "high"], ROWS)),
        born=[f"{year}-02-03" for year in range(1700, 1700 + ROWS)],
    )
    schema = TableSchema({"born": ColumnSchema("born", "datetime", date_format="%Y-%m-%d")})
    sample = draw_sample(table, 50, PRIVATE, schema)
    assert list(sample.columns) == list(table.columns) and len(sample) == 50
    assert find_marks(sample.to_csv()) == []
    for name in ("salary", "size", "day", "when", "flag", "whole"):
        assert sample[name].dtype == table[name].dtype, name
    assert sample["size"].between(table["size"].min(), table["size"].max()).all()
    assert set(sample["colour"]) <= {"green", "red"} and set(sample["level"]) <= {"low", "high"}
    assert set(sample["born"]) == {"2024-02-29"} and sample["empty"].isna().all()
    rows = set(table[["size", "whole", "day"]].itertuples(index=False, name=None))
    assert not rows & set(sample[["size", "whole", "day"]].itertuples(index=False, name=None))


def test_stages_write_no_private_value(tmp_path, quick, capsys):
    secret_table().to_csv(tmp_path / "customers.csv", index=False)
    changes = {"data": str(tmp_path / "customers.csv"), "drop_columns": ["account"], "private_columns": PRIVATE}
    pipeline = workspaces.pipeline_in(tmp_path / "w", **changes, training_functions=["linear"])
    result = workspaces.preprocess(pipeline)
    shown = f"{result}{result.columns.to_csv()}{result.sizes.to_csv()}{result.violations.to_csv()}"
    candidate = pipeline.train("linear")
    shown += str(candidate)
    texts = [file for file in (tmp_path / "w").rglob("*") if file.suffix in (".json", ".txt", ".yaml", ".csv", "")]
    written = "\n".join(file.read_text(errors="replace") for file in texts if file.is_file())
    database = (tmp_path / "w" / "mlflow.db").read_bytes().decode("latin-1")
    assert "input_example" in "".join(map(str, texts)) and "baseline" in "".join(map(str, texts))
    assert find_marks(shown + written + database + "".join(capsys.readouterr())) == []


def test_contract_and_schema_commands_show_no_private_value(tmp_path, capsys):
    table, contract = tmp_path / "customers.csv", tmp_path / "contract.yaml"
    secret_table().to_csv(table, index=False)
    values = {
        "data": table,
        "contract": contract,
        "target_column": "bought",
        "private_columns": f"[{', '.join(PRIVATE)}]",
        "workspace": tmp_path / "w",
    }
    options = ["--params", "parameters/penguins.yaml", "-p", "task=binary", "-p", "drop_columns=[]"]
    options += ["-p", "key_columns=[]", "-p", "primary_metric=roc_auc"]
    options += [option for name, value in values.items() for option in ("-p", f"{name}={value}")]
    assert main(["contract", "accept", *options]) == 0
    assert main(["contract", "check", *options]) == 0
    assert main(["schema", *options]) == 0
    assert find_marks(contract.read_text() + "".join(capsys.readouterr())) == []
    broken = secret_table().assign(salary=secret_table()["account"], town=secret_table()["street"])
    broken.to_csv(table, index=False)
    assert main(["contract", "check", *options]) == 3
    assert find_marks("".join(capsys.readouterr())) == []


@pytest.mark.slow
def test_a_whole_run_shows_and_logs_no_private_value(tmp_path, capfd):
    secret_table().to_csv(tmp_path / "customers.csv", index=False)
    parameters = {
        "name": "secret-shop",
        "data": str(tmp_path / "customers.csv"),
        "target_column": "bought",
        "task": "binary",
        "primary_metric": "roc_auc",
        "training_functions": ["linear", "gradient_boosting"],
        "private_columns": PRIVATE,
        "workspace": str(tmp_path / "w"),
        "runs_folder": str(tmp_path / "runs"),
    }
    file = tmp_path / "secret-shop.yaml"
    file.write_text(json.dumps(parameters))
    try:
        assert main(["--params", str(file)]) == 0
        url = json.loads((tmp_path / "w/endpoints/secret-shop/endpoint.json").read_text())
        address = f"http://127.0.0.1:{url['port']}"
        request = json.loads((tmp_path / "w/data/secret-shop/sample_request.json").read_text())
        pages = "".join(_get(f"{address}{path}") for path in ("/", "/docs", "/openapi.json", "/swagger.json"))
        broken = secret_table().drop(columns="size")
        broken.to_csv(tmp_path / "broken.csv", index=False)
        data = ["--data", str(tmp_path / "broken.csv"), "--out", str(tmp_path / "scored.csv")]
        assert main(["score", "--params", str(file), *data]) != 0
    finally:
        main(["endpoint", "stop", "--params", str(file)])
    assert request["input_data"]["data"], "the sample request has no row"
    output = "".join(capfd.readouterr())
    written = [*(tmp_path / "runs").rglob("*"), *(tmp_path / "w").rglob("*")]
    # The rows themselves, and models, which contain the categories that they have learnt.
    stored = (".parquet", ".pkl", ".npz", ".bin", ".lock", ".png", ".arrow")
    searched = [path for path in written if path.is_file() and path.suffix not in stored]
    found = {
        str(path.relative_to(tmp_path)): marks
        for path in searched
        if (marks := find_marks(path.read_bytes().decode("utf-8", "replace")))
    }
    assert len(searched) > 50 and found == {}
    assert find_marks(output + pages) == []


def _get(address):
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def test_the_bundled_examples_show_three_rows_and_others_none():
    for name in ("flights", "penguins", "bike-hours"):
        assert "show_rows: 3" in (ROOT / "parameters" / f"{name}.yaml").read_text()
    assert "\nshow_rows: 0" in (ROOT / "parameters" / "base.yaml").read_text()
