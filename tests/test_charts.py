"""Charts of any data, drawn without warnings, and tables that show all their content."""

import datetime
import itertools
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from lib import charts, metrics
from lib.metrics import Predictions

LONG = "a name much longer than a single line of a label, number "
ODD = ["$\\frac{$", "$7.25 and $8", "%", "", "<b>", "_private", "a\nb", LONG + "1", LONG + "2", "日本"]
NAMES = {"binary": ["no", "yes"], "15 classes": [f"class {number:02}" for number in range(15)], "odd": sorted(ODD)}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def random_predictions(kind, rows=60):
    """Return true values and random predictions; with enough rows, every class occurs."""
    rng = np.random.default_rng(0)
    names = np.array(NAMES[kind], dtype=object)
    probabilities = rng.dirichlet(np.ones(len(names)), rows)
    truth = pd.Series(names[np.arange(rows) % len(names)], name="$target$_{")
    labels = names[probabilities.argmax(axis=1)]
    return truth, Predictions(labels, probabilities, names, "yes" if kind == "binary" else None)


def render(chart):
    """Check that the chart renders as a PNG, and return it."""
    assert chart._repr_png_().startswith(b"\x89PNG")
    return chart


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize("kind", NAMES)
class TestClassification:
    def test_target_distribution_has_a_bar_for_each_class(self, kind):
        truth, _ = random_predictions(kind)
        chart = render(charts.target_distribution(truth, "multiclass"))
        assert len(chart.axes[0].patches) == len(NAMES[kind])
        assert len({bar.get_y() for bar in chart.axes[0].patches}) == len(NAMES[kind])

    def test_confusion_matrix_labels_both_axes_with_classes(self, kind):
        axes = render(charts.confusion_matrix(*random_predictions(kind))).axes[0]
        assert tick_labels(axes.xaxis) == tick_labels(axes.yaxis)
        assert len(tick_labels(axes.xaxis)) == min(len(NAMES[kind]), 12)

    def test_confusion_matrix_names_the_target(self, kind):
        axes = render(charts.confusion_matrix(*random_predictions(kind))).axes[0]
        assert axes.get_xlabel() == r"predicted \$target\$_{" and axes.get_ylabel() == r"actual \$target\$_{"

    def test_curves_are_drawn_for_the_most_frequent_classes(self, kind):
        left, right = render(charts.roc_and_precision_recall(*random_predictions(kind))).axes
        assert len(left.lines) == {"binary": 2, "15 classes": 13, "odd": 11}[kind]
        # The diagonal is left; the level of a no-skill model, which differs by class, is right for each curve.
        assert len(right.lines) == 2 * (len(left.lines) - 1)


@pytest.mark.parametrize("kind", ["binary", "15 classes"])
def test_classification_charts_need_only_one_row(kind):
    truth, predictions = random_predictions(kind, rows=1)
    render(charts.target_distribution(truth, "multiclass"))
    render(charts.confusion_matrix(truth, predictions))
    left, right = render(charts.roc_and_precision_recall(truth, predictions)).axes
    assert len(left.lines) == 1 and not right.lines  # no curve through one point


def test_long_names_are_wrapped_and_complete():
    name = "a_column_name_without_any_space_" * 10
    importances = pd.DataFrame({"mean": [0.1], "deviation": 0.01}, index=[name])
    axes = render(charts.column_importance(importances, metrics.get("roc_auc", "binary"))).axes[0]
    (label,) = tick_labels(axes.yaxis)
    assert label.replace("\n", "") == name and max(map(len, label.split("\n"))) <= 30


def test_charts_state_how_many_classes_they_show():
    truth, predictions = random_predictions("15 classes")
    axes = render(charts.confusion_matrix(truth, predictions)).axes[0]
    assert axes.get_title(loc="right") == "the 12 most frequent of 15 classes"
    many = pd.Series([f"class {number}" for number in range(43)] * 2, name="target")
    axes = render(charts.target_distribution(many, "multiclass")).axes[0]
    assert axes.get_title(loc="right") == "the 20 most frequent of 43 classes"


class TestRegression:
    truth = pd.Series(np.linspace(0, 9, 40), name="$a$_{")

    def test_target_distribution_is_a_histogram_of_all_rows(self):
        axes = render(charts.target_distribution(self.truth, "regression")).axes[0]
        assert sum(bar.get_height() for bar in axes.patches) == 40

    def test_residuals_show_every_row(self):
        left, right = render(charts.residuals(self.truth, Predictions(self.truth.to_numpy() + 1))).axes
        assert len(left.collections[0].get_offsets()) == sum(bar.get_height() for bar in right.patches) == 40

    def test_single_and_equal_rows_can_be_drawn(self):
        render(charts.residuals([1.0], Predictions(np.array([1.0]))))
        render(charts.target_distribution(self.truth * 0, "regression"))


class TestScores:
    metric = metrics.get("roc_auc", "binary")

    def test_importance_shows_the_first_twenty_columns_on_top(self):
        columns = [*ODD, *map(str, range(20))]
        importances = pd.DataFrame({"mean": np.arange(30)[::-1] / 30, "deviation": 0.01}, index=columns)
        axes = render(charts.column_importance(importances, self.metric)).axes[0]
        assert len(axes.patches) == 20
        assert tick_labels(axes.yaxis)[-3:] == ["%", r"\$7.25 and \$8", r"\$\frac{\$"]
        assert axes.patches[-1].get_width() == max(bar.get_width() for bar in axes.patches)

    def test_best_candidate_is_on_top_and_chosen_one_highlighted(self):
        scores = {"linear": 0.5, "not defined": np.nan, "champion v3": 0.6, LONG + "1": 0.2, LONG + "2": 0.3}
        axes = render(charts.candidate_scores(scores, self.metric, "linear", threshold=0.7)).axes[0]
        assert [bar.get_width() for bar in axes.patches] == [0.2, 0.3, 0.5, 0.6]
        assert tick_labels(axes.yaxis)[-2:] == ["linear", "champion v3"]
        colors = [bar.get_facecolor() for bar in axes.patches]
        assert colors[2] != colors[0] == colors[1] == colors[3]
        assert "min_score 0.7" in axes.get_title(loc="right")

    def test_candidates_without_scores_give_an_empty_chart(self):
        assert not render(charts.candidate_scores({"a": np.nan}, self.metric, "a", None)).axes[0].patches


class TestTable:
    def html(self, *arguments, **options):
        return charts.Table(*arguments, **options)._repr_html_()

    def test_long_table_shows_its_first_rows_and_says_so(self):
        html = self.html({"number": range(1_000, 7_000)})
        assert "The first 200 of 6,000 rows." in html and ">1,199<" in html and ">1,200<" not in html

    def test_every_row_and_long_text_is_complete(self):
        html = self.html({"text": [f"{number} " + "long " * 200 for number in range(100)]})
        assert all(f"{number} " + "long " * 200 in html for number in range(100))

    def test_numbers_are_rounded_with_thousands_separators(self):
        html = self.html({"number": [1234567.89, 0.123456789], "whole": [1234567, 1]})
        assert "1,234,567.8900" in html and "0.1235" in html and ">1,234,567<" in html

    def test_markup_in_cells_and_names_is_escaped(self):
        html = self.html({"<i>name": ["<script>alert(1)</script>"]}, index=["<u>row"])
        assert not re.search("<script>|<i>|<u>", html)
        assert "&lt;script&gt;" in html and "&lt;i&gt;name" in html and "&lt;u&gt;row" in html

    def test_text_is_left_aligned_and_numbers_are_not(self):
        html = self.html({"text": ["a"], "number": [1]})
        assert re.search(r"_row0_col0 *\{\s*text-align: left", html)
        assert not re.search(r"_row0_col1 *\{\s*text-align: left", html)

    def test_rows_without_names_have_no_numbers(self):
        assert ">0</th>" not in self.html({"text": ["a"]}) and ">0</th>" in self.html({"text": ["a"]}, index=["0"])

    def test_undefined_scores_are_called_so(self):
        table = charts.Table({"score": [0.5, np.nan]}, index=["accuracy", "mape"])
        assert ">nan<" not in table._repr_html_()
        table.attrs[charts.NAN_TEXT] = "undefined"
        assert table._repr_html_().count(">undefined<") == 1

    def test_empty_table_is_displayed(self):
        assert "<table" in self.html() and "<table" in self.html({"a": []})


@pytest.mark.parametrize("weeks", [2, 6, 60])
def test_labels_of_evidence_and_scores_do_not_overlap(weeks):
    random = np.random.default_rng(weeks)
    ends = [datetime.datetime(2026, 1, 5) + datetime.timedelta(days=7 * week) for week in range(weeks)]
    drifted, steady = np.linspace(0, 90, weeks), random.normal(size=weeks) / 10
    lines = {"used columns and prediction": drifted, "size": drifted, "(prediction)": drifted / 2, "a": steady}
    points = [(end, 0.9, 0.8, 1.0) for end in ends]
    made = (
        charts.evidence_over_time(ends, lines | {"b": steady + 0.01, LONG: steady}, np.log(100)),
        charts.scores_over_time({"estimated": points, "realised": points}, 0.9, "roc_auc"),
    )
    for chart in made:
        render(chart)
        (axes,) = chart.axes
        legend = axes.get_legend()
        if legend is not None:
            assert not legend.get_window_extent().overlaps(axes.patch.get_window_extent())
        for texts in (axes.texts, [tick.label1 for tick in axes.xaxis.get_major_ticks()]):
            # Without the line that leads from a label to its point.
            boxes = [Text.get_window_extent(text) for text in texts if text.get_text()]
            overlapping = [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1].padded(-1))]
            assert not overlapping
