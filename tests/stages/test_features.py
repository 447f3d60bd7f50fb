"""The hook ``features``: computed on raw rows in training, folds, AutoML, evaluation, endpoint and scoring alike."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

from lib import metrics, pipelines, training
from lib.backends import model_files
from lib.chain import used_code
from lib.errors import CodeError, NameNotFound, ParameterError
from lib.parameters import load
from lib.pipelines.base import BasePipeline
from lib.scoring.batch import score_rows
from lib.scoring.feature_step import FeatureStep, FeatureStepError, find_batch_dependence
from lib.scoring.scorer import FAST_ENGINE, Scorer
from lib.stages import _features
from lib.stages._added_columns import describe_added_columns
from lib.training import TrainingRequest
from lib.training._custom_features import add_step, transform_training_rows
from tests import workspaces
from tests.workspaces import log_candidate, pipeline_in, preprocess, publish, table, versions_of

copy_after = workspaces.copy_after
quick = workspaces.quick

ROW_WISE = """
    import numpy as np

    def features(X):
        return X.assign(worth=X["size"] + 0.8 * (X["colour"] == "red"), luckless=X["luck"].isna())
"""
STATEFUL = """
    class Features:
        def fit(self, X, y):
            self.mean = X["size"].mean()
            self.share = (y == "yes").groupby(X["colour"]).mean().to_dict()
            return self

        def transform(self, X):
            return X.assign(above=X["size"] - self.mean, share=X["colour"].map(self.share))
"""
BATCHED = """
    def features(X):
        return X.assign(rank=X["size"].rank(pct=True), double=2 * X["size"], centred=X["size"] - X["size"].mean())
"""


class Shop(BasePipeline):
    """A pipeline whose features are in ``custom/features/worth.py``."""

    def features(self):
        return "worth"


def request_for(task="binary", schema=None):
    return TrainingRequest(task, metrics.get("roc_auc", "binary"), seed=0, threads=1, schema=schema)


@pytest.fixture
def rows():
    frame = table()
    return frame.drop(columns=["bought", "price"]), frame["bought"]


def fit_model(name, X, y, function="linear", **hyperparameters):
    """Return a model with the features of a module, as the train stage fits it."""
    pipeline = type("Named", (), {"features": lambda self: name})()
    step = _features.make_step(pipeline)
    return _features.with_features(training.get(function), step)(X, y, request_for(), **hyperparameters)


class TestStep:
    def test_function_gets_the_same_types_for_tables_and_requests(self):
        seen = []

        def features(X):
            seen.append({name: (str(X[name].dtype), X[name].iloc[-1]) for name in X})
            return X

        typed = pd.DataFrame(
            {
                "count": [1, 2],
                "city": pd.array(["Oslo", None], dtype="string"),
                "kind": pd.Categorical(["a", None]),
                "flag": pd.array([True, None], dtype="boolean"),
                "when": pd.to_datetime(["2026-01-01", "2026-01-02"]),
            }
        )
        plain = typed.astype({"count": float, "city": object, "kind": object, "flag": object})
        step = FeatureStep("types", features).fit(typed)
        step.transform(plain[plain.columns[::-1]])
        assert seen[0] == seen[-1]
        assert seen[0]["city"] == ("object", None) and seen[0]["count"] == ("float64", 2.0)

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda X: X["size"].to_numpy(), "are ndarray; expected a DataFrame"),
            (lambda X: X.head(1), "have 1 rows for 3 rows"),
            (lambda X: pd.concat([X, X], axis=1), "contain the column 'size' twice"),
            (lambda X: X.assign(a=X["sise"]), "cannot be computed: KeyError: 'sise'"),
        ],
    )
    def test_wrong_result_names_the_features(self, function, message):
        with pytest.raises(FeatureStepError, match="The features shape .*" + message.replace("'", ".")):
            FeatureStep("shape", function).fit(pd.DataFrame({"size": [1.0, 2.0, 3.0]}))

    def test_function_cannot_change_the_table(self):
        def features(X):
            X.loc[0, "size"] = 99.0
            X["new"] = 1
            return X

        X = pd.DataFrame({"size": [1.0, 2.0]})
        FeatureStep("change", features).fit(X).transform(X)
        assert X["size"].tolist() == [1.0, 2.0] and list(X) == ["size"]

    @pytest.mark.parametrize(
        ("function", "names"),
        [
            (lambda X: X.assign(twice=2 * X["a"], text=X["b"].str.upper()), []),
            (lambda X: X.assign(rank=X["a"].rank(), fine=X["a"]), ["rank"]),
            (lambda X: X.assign(before=X["a"].shift()), ["before"]),
            (lambda X: X.assign(code=X["b"].astype("category").cat.codes), ["code"]),
            (lambda X: X.assign(noise=np.random.default_rng().normal(size=len(X))), ["noise"]),
            (lambda X: X.join(pd.get_dummies(X["b"])), ["x", "y"]),
            (lambda X: X.assign(filled=X["c"].fillna(X["c"].mean())), ["filled"]),
        ],
    )
    def test_dependence_on_the_batch_is_found_by_name(self, function, names):
        X = pd.DataFrame({"a": [1.0, 5.0, 2.0], "b": ["x", "y", "x"], "c": [1.0, np.nan, 3.0]}, index=[7, 7, 9])
        assert find_batch_dependence(FeatureStep("batch", function).fit(X), X) == names

    def test_features_that_read_the_target_are_learnt_on_other_folds(self):
        class Features:
            def fit(self, X, y):
                self.targets = dict(zip(X["id"], y, strict=True))
                return self

            def transform(self, X):
                return X.assign(known=X["id"].map(self.targets))

        X, y = pd.DataFrame({"id": np.arange(40.0)}, index=range(10, 50)), pd.Series(range(40), index=range(10, 50))
        step = FeatureStep("leak", Features).fit(X, y)
        assert step.needs_target and step.transform(X)["known"].notna().all()
        assert transform_training_rows(step, X, y, seed=0)["known"].isna().all()


class TestModule:
    @pytest.mark.parametrize(
        "text",
        [
            ROW_WISE,
            STATEFUL,
            ROW_WISE.replace("def features", "def worth"),
            STATEFUL.replace("Features", "Worth"),
            STATEFUL + "\n    features = Features()\n",
        ],
    )
    def test_function_class_or_transformer_is_accepted(self, custom, rows, text):
        custom.write("features/worth.py", text)
        X, y = rows
        model = fit_model("worth", X, y)
        assert roc_auc(model, X, y) > 0.9

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("x = 1", CodeError, "custom/features/worth.py defines neither a function features"),
            ("def a(X): ...\ndef b(X): ...", CodeError, "defines neither a function features"),
            ("import json\nimport no_such_thing", CodeError, "custom/features/worth.py, line 2: ModuleNotFoundError"),
            (None, NameNotFound, "There is no module of features 'worth'"),
        ],
    )
    def test_unusable_module_is_reported(self, custom, text, error, message):
        if text is not None:
            custom.write("features/worth.py", text)
        with pytest.raises(error, match=message):
            _features.make_step(Shop.__new__(Shop))

    def test_hook_with_arguments_is_told_where_the_code_belongs(self):
        hooks = type("Hooks", (), {"features": lambda self, X: X})()
        with pytest.raises(CodeError, match=r"Move the\s+code to a function features\(X\) in custom/features"):
            _features.make_step(hooks)

    def test_wrong_name_is_found_before_a_kernel_starts(self, custom):
        text = "from lib.pipelines.base import BasePipeline\nclass Shop(BasePipeline):\n    "
        custom.write("features/worth.py", "import no_such_package\ndef features(X):\n    return X")
        given = ["name=shop", "data=x.csv", "target_column=y", "task=binary", "primary_metric=f1", "pipeline=shop"]
        for hook in ("def features(self):\n        return 'wroth'", "features = 'wroth'"):
            custom.write("pipelines/shop.py", text + hook)
            with pytest.raises(ParameterError, match="its hook features names 'wroth'.* Did you mean 'worth'"):
                pipelines.check_use_case(load([], given))
        custom.write("pipelines/shop.py", text + "features = 'worth'")
        with pytest.raises(ParameterError, match="custom/features/worth.py, line 1: imports no_such_package"):
            pipelines.check_use_case(load([], given))

    def test_edit_reruns_training_only(self, custom):
        custom.write("features/worth.py", ROW_WISE)
        custom.write("features/other.py", ROW_WISE)
        custom.write(
            "pipelines/shop.py",
            "from lib.pipelines.base import BasePipeline\nclass Shop(BasePipeline):\n"
            "    def features(self):\n        return 'worth'\n",
        )
        files = {
            stage: [file.name for file in used_code.find_used_code(stage, {"pipeline": "shop"}).files]
            for stage in ("preprocess", "train", "automl", "evaluate")
        }
        assert files["train"] == files["automl"] == ["worth.py", "shop.py"]
        assert files["preprocess"] == files["evaluate"] == ["shop.py"]


def roc_auc(model, X, y):
    return metrics.get("roc_auc", "binary").score(y, metrics.predict(model, X, "binary"))


class TestModel:
    def save(self, model, X, y, folder):
        from lib.tables.quality.baseline import describe

        model_files.save(model, folder, X.head(100), X)
        (folder / "baseline.json").write_text(json.dumps(describe(X.assign(bought=y), "bought")))
        return Scorer.from_folder(folder)

    @pytest.mark.parametrize(
        "function",
        [
            "gradient_boosting",
            pytest.param("linear", marks=pytest.mark.slow),
            pytest.param("random_forest", marks=pytest.mark.slow),
        ],
    )
    def test_endpoint_and_score_give_the_models_own_answers_to_raw_rows(self, custom, rows, tmp_path, function):
        custom.write("features/worth.py", ROW_WISE)
        X, y = rows
        model = fit_model("worth", X, y, function)
        scorer = self.save(model, X, y, tmp_path / "model")
        assert [column.name for column in scorer.model.columns] == ["size", "luck", "colour"]
        assert scorer.engine == FAST_ENGINE
        expected = model.predict_proba(X)
        records = [
            {name: None if value != value else value for name, value in row.items()} for row in X.to_dict("records")
        ]
        answer = scorer.score(json.dumps({"data": records}).encode())
        np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-12)
        single = scorer.score(json.dumps({"data": records[:1]}).encode())
        np.testing.assert_allclose(single["probabilities"], expected[:1], rtol=1e-12)
        scored = score_rows(scorer, X)
        np.testing.assert_allclose(np.transpose(scored.probabilities), expected, rtol=1e-12)
        assert not scored.faults

    def test_model_keeps_its_features_after_an_edit(self, custom, rows, tmp_path):
        custom.write("features/worth.py", ROW_WISE)
        X, y = rows
        model = fit_model("worth", X, y)
        expected = model.predict_proba(X)
        self.save(model, X, y, tmp_path / "model")
        code = tmp_path / "model" / "code" / "custom" / "features" / "worth.py"
        assert code.read_text() == (custom.path / "features" / "worth.py").read_text()
        custom.write("features/worth.py", ROW_WISE.replace("0.8", "-9"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "custom"]:
            del sys.modules[name]
        restored = model_files.load(tmp_path / "model")
        np.testing.assert_array_equal(restored.predict_proba(X), expected)
        assert roc_auc(fit_model("worth", X, y), X, y) != roc_auc(restored, X, y)

    def test_error_of_a_feature_is_an_answer_about_the_row(self, custom, rows, tmp_path):
        custom.write(
            "features/worth.py",
            """
            def features(X):
                if (X["size"] > 1000).any():
                    raise TypeError("too large")
                return X
            """,
        )
        X, y = rows
        scorer = self.save(fit_model("worth", X, y), X, y, tmp_path / "model")
        scored = score_rows(scorer, X.head(3).assign(size=[1.0, 5000.0, 2.0]))
        assert (
            list(scored.faults) == [1]
            and "The features worth cannot be computed: TypeError: too large" in scored.faults[1]
        )

    def test_changed_column_does_not_obey_the_schema_of_the_raw_one(self, custom, rows):
        from lib.schema.table_schema import NUMBER, ColumnSchema, TableSchema

        custom.write("features/worth.py", "def features(X):\n    return X.assign(size=X['colour'])\n")
        X, y = rows
        schema = TableSchema({name: ColumnSchema(name, NUMBER) for name in ("size", "luck")})
        step = _features.make_step(Shop.__new__(Shop))
        model = _features.with_features(training.get("linear"), step)(X, y, request_for(schema=schema))
        assert model[1].columns_["size"].kind == "category" and model[1].columns_["luck"].kind == "number"

    def test_each_fold_learns_its_own_state(self, custom, rows):
        custom.write("features/worth.py", STATEFUL)
        X, y = rows
        means = set()
        for train, _ in KFold(3).split(X):
            model = fit_model("worth", X.iloc[train].reset_index(drop=True), y.iloc[train].reset_index(drop=True))
            means.add(model[0].transformer_.mean)
        assert len(means) == 3

    def test_search_result_takes_raw_rows(self, custom, rows):
        custom.write("features/worth.py", STATEFUL)
        X, y = rows
        step = _features.fit_step(_features.make_step(Shop.__new__(Shop)), X, y)
        inner = training.get("linear")(step.transform(X), y, request_for())
        model = add_step(inner, step)
        np.testing.assert_array_equal(model.predict_proba(X), inner.predict_proba(step.transform(X)))


class TestStages:
    def pipeline(self, workspace, **changes):
        return pipeline_in(workspace, Shop, **changes)

    def test_features_reach_production(self, custom, copy_after, quick):
        custom.write("features/worth.py", STATEFUL)
        pipeline = self.pipeline(copy_after("preprocess"), threshold=0.5)
        candidate = pipeline.train(training_function="linear")
        publish(pipeline, candidates=[candidate.run_id])
        evaluation = pipeline.evaluate()
        assert evaluation.promoted and versions_of(pipeline) == (["1"], "1")
        run = pipeline.backend.tracking.candidate_run(candidate.run_id)
        assert run.data.params["features"] == "worth"

    def test_feature_of_the_batch_is_refused_by_name_before_training(self, custom, copy_after):
        custom.write("features/worth.py", BATCHED)
        pipeline = self.pipeline(copy_after("preprocess"))
        with pytest.raises(CodeError, match="'rank', 'centred' of a test row changes if the row is computed alone"):
            pipeline.train(training_function="linear")

    @pytest.mark.slow
    def test_candidate_with_such_a_feature_is_not_promoted(self, custom, copy_after, quick, monkeypatch):
        custom.write("features/worth.py", BATCHED)
        pipeline = self.pipeline(copy_after("preprocess"))
        with monkeypatch.context() as patch:
            patch.setattr(_features, "check_rows_are_independent", lambda step, X: None)
            candidate = pipeline.train(training_function="linear")
        publish(pipeline, candidates=[candidate.run_id])
        with pytest.raises(CodeError, match="'rank', 'centred' of a test row changes"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    @pytest.mark.slow
    def test_automl_searches_on_the_features(self, custom, copy_after, quick):
        custom.write("features/worth.py", STATEFUL)
        pipeline = self.pipeline(copy_after("preprocess"), automl_budget_minutes=0.3, max_trials=2, threads=2)
        winner = pipeline.automl()
        run = pipeline.backend.tracking.candidate_run(winner.run_id)
        folder = pipeline.backend.tracking.model_folder(*pipeline.backend.tracking.model_source(run))
        scorer = Scorer.from_folder(folder)
        assert [column.name for column in scorer.model.columns] == ["size", "luck", "colour"]
        assert isinstance(scorer.model.estimator[0], FeatureStep) and run.data.params["features"] == "worth"


def test_columns_that_the_raw_table_lacks_are_listed():
    baseline = {"table_schema": {"columns": {"size": {}, "colour": {}}}}
    assert describe_added_columns(["size", "colour"], baseline) == ""
    assert describe_added_columns(["size", "area", "age"], baseline).startswith(
        "The endpoint asks for the columns area, age, which the raw table lacks: prepare_data adds them."
    )
    assert describe_added_columns(["size"], {}) == ""


def test_evaluation_says_which_columns_the_raw_table_lacks(workspace, quick):
    class Adding(BasePipeline):
        def prepare_data(self, frame):
            return frame.assign(area=frame["size"] ** 2)

    pipeline = pipeline_in(workspace, Adding)
    preprocess(pipeline)
    publish(pipeline, candidates=[log_candidate(pipeline, "small", "size", "area")])
    assert "The endpoint asks for the column area, which the raw table lacks" in pipeline.evaluate().decision
