"""Charts that can be drawn of anything, without a warning on the page, and tables that show all they hold."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from lib import charts, metrics
from lib.metrics import Predictions

LONG = "a name much longer than any axis has room for, number "
ODD = ["$\\frac{$", "$7.25 and $8", "%", "", "<b>", "_private", "a\nb", LONG + "1", LONG + "2", "日本"]
NAMES = {"binary": ["no", "yes"], "15 classes": [f"class {number:02}" for number in range(15)], "odd": sorted(ODD)}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def guessed(kind, rows=60):
    """Truth and predictions by chance; every class is there where there are rows enough."""
    rng = np.random.default_rng(0)
    names = np.array(NAMES[kind], dtype=object)
    probabilities = rng.dirichlet(np.ones(len(names)), rows)
    truth = pd.Series(names[np.arange(rows) % len(names)], name="$target$_{")
    labels = names[probabilities.argmax(axis=1)]
    return truth, Predictions(labels, probabilities, names, "yes" if kind == "binary" else None)


def drawn(chart):
    """The chart, once it is known to be a picture."""
    assert chart._repr_png_().startswith(b"\x89PNG")
    return chart


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize("kind", NAMES)
class TestOfClasses:
    def test_target_balance_has_a_bar_for_each(self, kind):
        truth, _ = guessed(kind)
        chart = drawn(charts.target_distribution(truth, "multiclass"))
        assert len(chart.axes[0].patches) == len(NAMES[kind])
        assert len({bar.get_y() for bar in chart.axes[0].patches}) == len(NAMES[kind])

    def test_confusion_names_the_classes_on_both_sides(self, kind):
        axes = drawn(charts.confusion_matrix(*guessed(kind))).axes[0]
        assert texts(axes.xaxis) == texts(axes.yaxis)
        assert len(texts(axes.xaxis)) == min(len(NAMES[kind]), 12)

    def test_curves_are_two_charts_side_by_side(self, kind):
        left, right = drawn(charts.roc_and_precision_recall(*guessed(kind))).axes
        assert len(left.lines) == {"binary": 2, "15 classes": 13, "odd": 11}[kind]
        assert len(right.lines) == len(left.lines) - 1


@pytest.mark.parametrize("kind", ["binary", "15 classes"])
def test_a_single_row_of_classes_is_enough(kind):
    truth, predictions = guessed(kind, rows=1)
    drawn(charts.target_distribution(truth, "multiclass"))
    drawn(charts.confusion_matrix(truth, predictions))
    left, right = drawn(charts.roc_and_precision_recall(truth, predictions)).axes
    assert len(left.lines) == 1 and not right.lines  # no curve through one point


class TestOfNumbers:
    truth = pd.Series(np.linspace(0, 9, 40), name="$a$_{")

    def test_target_balance_is_a_histogram_of_all_rows(self):
        axes = drawn(charts.target_distribution(self.truth, "regression")).axes[0]
        assert sum(bar.get_height() for bar in axes.patches) == 40

    def test_residuals_show_every_row(self):
        left, right = drawn(charts.residuals(self.truth, Predictions(self.truth.to_numpy() + 1))).axes
        assert len(left.collections[0].get_offsets()) == sum(bar.get_height() for bar in right.patches) == 40

    def test_a_single_row_and_equal_rows_are_enough(self):
        drawn(charts.residuals([1.0], Predictions(np.array([1.0]))))
        drawn(charts.target_distribution(self.truth * 0, "regression"))


class TestOfScores:
    metric = metrics.get("roc_auc", "binary")

    def test_importance_shows_the_first_twenty_columns_from_the_top(self):
        columns = [*ODD, *map(str, range(20))]
        importances = pd.DataFrame({"mean": np.arange(30)[::-1] / 30, "deviation": 0.01}, index=columns)
        axes = drawn(charts.column_importance(importances, self.metric)).axes[0]
        assert len(axes.patches) == 20
        assert texts(axes.yaxis)[-3:] == ["%", r"\$7.25 and \$8", r"\$\frac{\$"]
        assert axes.patches[-1].get_width() == max(bar.get_width() for bar in axes.patches)

    def test_candidates_have_the_best_on_top_and_the_chosen_in_its_own_colour(self):
        scores = {"linear": 0.5, "not defined": np.nan, "champion v3": 0.6, LONG + "1": 0.2, LONG + "2": 0.3}
        axes = drawn(charts.candidate_scores(scores, self.metric, "linear", threshold=0.7)).axes[0]
        assert [bar.get_width() for bar in axes.patches] == [0.2, 0.3, 0.5, 0.6]
        assert texts(axes.yaxis)[-2:] == ["linear", "champion v3"]
        colours = [bar.get_facecolor() for bar in axes.patches]
        assert colours[2] != colours[0] == colours[1] == colours[3]
        assert "min_score 0.7" in axes.get_title(loc="right")

    def test_candidates_without_any_score_are_an_empty_chart(self):
        assert not drawn(charts.candidate_scores({"a": np.nan}, self.metric, "a", None)).axes[0].patches


class TestTable:
    def html(self, *arguments, **options):
        return charts.Table(*arguments, **options)._repr_html_()

    def test_shows_every_row_and_long_text_whole(self):
        html = self.html({"text": [f"{number} " + "long " * 200 for number in range(100)]})
        assert all(f"{number} " + "long " * 200 in html for number in range(100))

    def test_shows_numbers_short_and_thousands_apart(self):
        html = self.html({"number": [1234567.89, 0.123456789], "whole": [1234567, 1]})
        assert "1,234,567.8900" in html and "0.1235" in html and ">1,234,567<" in html

    def test_shows_markup_in_cells_and_names_as_it_is_written(self):
        html = self.html({"<i>name": ["<script>alert(1)</script>"]}, index=["<u>row"])
        assert not re.search("<script>|<i>|<u>", html)
        assert "&lt;script&gt;" in html and "&lt;i&gt;name" in html and "&lt;u&gt;row" in html

    def test_sets_texts_at_the_left_and_leaves_numbers_at_the_right(self):
        html = self.html({"text": ["a"], "number": [1]})
        assert re.search(r"_row0_col0 *\{\s*text-align: left", html)
        assert not re.search(r"_row0_col1 *\{\s*text-align: left", html)

    def test_an_empty_one_is_a_table_too(self):
        assert "<table" in self.html() and "<table" in self.html({"a": []})
