"""The report of a run: what it says, in which order, and that no name or value becomes more than text."""

import json
import re
from html.parser import HTMLParser

import pytest

from lib import charts
from lib.chain import reporting
from lib.commands import main
from lib.evidence.report import html_page
from lib.evidence.report.content import make_report
from lib.evidence.report.run_files import read_run
from lib.outputs import SECTIONS
from tests.evidence.published_runs import EVALUATION, chart_exhibit, result, table_exhibit, write_run

HOSTILE = "</style></table><script>alert(1)</script><img src=x onerror=alert(2)>\"' {{ 7*7 }}"


class Tags(HTMLParser):
    """The tags of a page, each with its attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def report_of(folder):
    """Write the report of a run and return it as text."""
    path = reporting.write_report(folder)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


def first_words(page):
    """Return the text of the page's main part."""
    return Tags(page[page.index("<main") :]).text.strip()


class TestFirstLines:
    def test_promotion_says_decision_and_why_first(self, tmp_path):
        text = first_words(report_of(write_run(tmp_path / "run")))
        outcome = EVALUATION["sentences"]["outcome"]
        assert text.startswith(f"Promoted: version 2 {outcome}")
        assert "Better than champion v1 by +0.11 (95 % interval +0.02 to +0.2, 200 rows, DeLong)" in text
        assert "Better than the no-skill model by +0.31" in text

    def test_champion_that_stays_is_not_called_a_promotion(self, tmp_path):
        gate = {"gate": "champion", "verdict": "champion stays", "measured": "worse", "limit": "better"}
        facts = {**EVALUATION, "promoted": False, "gates": [gate], "production": "1"}
        assert first_words(report_of(write_run(tmp_path / "run", {"evaluate": result(**facts)}))).startswith(
            "The champion stays"
        )

    @pytest.mark.parametrize(
        ("status", "verdict"), [("failed", "Failed"), ("interrupted", "Interrupted"), ("held", "Blocked by a gate")]
    )
    def test_failed_run_says_stage_cause_and_next_step(self, tmp_path, status, verdict):
        stages = [
            {"stage": "setup", "status": "succeeded", "seconds": 1},
            {"stage": "train linear", "status": status, "seconds": 2, "error": "No column <age>.\nAdd it."},
        ]
        folder = write_run(tmp_path / "run", {}, status, stages=stages, error="No column <age>.\nAdd it.")
        text = first_words(report_of(folder))
        assert text.startswith(f"{verdict} Stopped in train linear No column <age>. Add it. Next step: ")
        assert f"--resume {folder}" in text

    def test_run_without_stages_has_a_report(self, tmp_path):
        text = first_words(report_of(write_run(tmp_path / "run", {}, "failed", error="The table is missing.")))
        assert "no stage had begun" in text and "The table is missing." in text


class TestSections:
    def test_sections_stand_in_the_order_of_reading(self, tmp_path):
        titles = [section.title for section in make_report(read_run(write_run(tmp_path / "run"))).sections]
        expected = [title for name, title in SECTIONS.items() if name not in ("environment", "other")]
        expected += ["Owner, intended use and limits"]
        assert titles == [*expected, "Duration and cost", "What is not known", "Executed notebooks", "Who ran what"]

    @pytest.mark.parametrize("section", [name for name in SECTIONS if name != "environment"])
    def test_any_labelled_table_appears_in_its_section(self, tmp_path, section):
        table = charts.Table({"score": [0.5]}, index=["north"])
        charts.label(table, "By region", "Regions of the country.", section=section)
        exhibit = charts.to_exhibit(table, "regions")
        run = read_run(write_run(tmp_path / "run", {"custom_stage": result(exhibit)}))
        found = {each.name: each.blocks for each in make_report(run).sections}[section]
        assert [block.content["title"] for block in found if block.kind == "exhibit"] == ["By region"]

    def test_unlabelled_exhibit_of_an_unknown_stage_appears(self, tmp_path):
        exhibit = charts.to_exhibit(charts.Table({"rows": [12_345]}, index=["all"]), "side_sizes")
        text = Tags(report_of(write_run(tmp_path / "run", {"quality": result(exhibit, chart_exhibit("map"))}))).text
        assert "Further results" in text and "Side sizes" in text and "12,345" in text and "Map" in text

    def test_unknown_section_is_refused(self):
        with pytest.raises(ValueError, match="no section 'elsewhere'"):
            charts.label(charts.Table({"a": [1]}), "A", section="elsewhere")

    def test_candidates_that_were_not_chosen_are_folded(self, tmp_path):
        scores = table_exhibit([("roc_auc", 0.81)], ["metric", "test rows"])
        results = {
            "train forest": result(scores, chart_exhibit("forest_curve"), run_id="r2"),
            "train linear": result(scores, chart_exhibit("linear_curve"), run_id="r1"),
            "evaluate": result(**EVALUATION),
        }
        page = report_of(write_run(tmp_path / "run", results))
        assert "Linear_curve" in page and "Forest_curve" not in page
        assert "<summary>Candidate forest</summary>" in page

    def test_what_was_not_measured_is_said(self, tmp_path):
        text = Tags(report_of(write_run(tmp_path / "run"))).text
        for sentence in ("no data contract was given", "no costs were given", "were not calibrated", "between groups"):
            assert sentence in text
        assert "did not deploy it" in text

    def test_notebooks_are_linked_as_pages(self, tmp_path):
        folder = write_run(tmp_path / "run")
        page = report_of(folder)
        links = [attributes["href"] for tag, attributes in Tags(page).tags if tag == "a"]
        assert "01_evaluate.html" in links
        assert all((folder / link).exists() for link in links if not link.startswith(("#", "..")))
        notebook = (folder / "01_evaluate.html").read_text()
        assert 'href="02_x.html"' in notebook and "<h2>evaluate</h2>" in notebook


class TestSafety:
    def test_names_and_values_stay_text(self, tmp_path):
        table = charts.Table([(HOSTILE, HOSTILE, 1.0)], columns=[HOSTILE + "1", HOSTILE + "2", "n"])
        table = table.set_index(HOSTILE + "1")
        charts.label(table, HOSTILE, HOSTILE)
        facts = {**EVALUATION, "best": HOSTILE, "sentences": {"outcome": HOSTILE, "warnings": [HOSTILE]}}
        results = {
            "evaluate": result(charts.to_exhibit(table, "t"), chart_exhibit(title=HOSTILE, caption=HOSTILE), **facts)
        }
        waiver = {"gate": HOSTILE, "who": HOSTILE, "why": HOSTILE, "until": "2999-01-01"}
        folder = write_run(
            tmp_path / "run", results, "failed", {"waivers": [waiver], "contract": HOSTILE}, error=HOSTILE, name=HOSTILE
        )
        page = report_of(folder)
        reporting.write_index(tmp_path)
        for text in (page, (tmp_path / "index.html").read_text()):
            tags = Tags(text).tags
            assert not [tag for tag, attributes in tags if tag == "script" or "onerror" in attributes]
        assert "alert(1)" in Tags(page).text and "{{ 7*7 }}" in Tags(page).text

    def test_pages_request_nothing(self, tmp_path):
        folder = write_run(tmp_path / "run", {"evaluate": result(chart_exhibit(), **EVALUATION)})
        report_of(folder)
        reporting.write_index(tmp_path)
        for file in [*folder.glob("*.html"), tmp_path / "index.html"]:
            tags = Tags(file.read_text()).tags
            assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe", "object")]
            assert all(attributes["src"].startswith("data:") for tag, attributes in tags if tag == "img")
            policy = next(attributes["content"] for tag, attributes in tags if "http-equiv" in attributes)
            assert policy.startswith("default-src 'none'; img-src data:;")

    def test_any_report_stays_under_three_megabytes(self, tmp_path):
        wide = charts.Table({f"column {number}": ["x" * 5_000] * 300 for number in range(30)})
        charts_of_many = [chart_exhibit(f"chart_{number}", png="A" * 700_000) for number in range(8)]
        results = {"evaluate": result(charts.to_exhibit(wide, "wide"), *charts_of_many, **EVALUATION)}
        page = report_of(write_run(tmp_path / "run", results))
        assert len(page.encode()) < html_page.MAX_PAGE_BYTES
        assert "rows." in page and "it is left out here" in page

    def test_faulty_evidence_is_reported_and_ends_nothing(self, tmp_path, capsys):
        folder = write_run(tmp_path / "run", {"evaluate": result(chart_exhibit(), **EVALUATION)})
        notebook = folder / "01_evaluate.ipynb"
        notebook.write_text(notebook.read_text().replace('"kind": "chart"', '"kynd": "chart"'))
        assert reporting.write_report(folder) is None
        assert "has no report: KeyError" in capsys.readouterr().err


class TestIndex:
    def test_index_lists_runs_newest_first_with_their_scores(self, tmp_path):
        for number, score in enumerate([0.7, 0.75, 0.72], start=1):
            contenders = [{"name": "linear", "run_id": "r1", "score": score}]
            folder = write_run(
                tmp_path / f"run-{number}", {"evaluate": result(**EVALUATION | {"contenders": contenders})}
            )
            reporting.write_report(folder)
        write_run(tmp_path / "run-4", {}, "failed")
        (tmp_path / "run-5").mkdir()
        (tmp_path / "run-5" / "run.json").write_text("{")
        reporting.write_index(tmp_path)
        page = (tmp_path / "index.html").read_text()
        assert re.findall(r"run-\d(?=</a>|</th>)", page) == ["run-5", "run-4", "run-3", "run-2", "run-1"]
        assert 'href="run-3/report.html"' in page and "damaged record" in page
        assert "Scores of the last 3 runs: 0.7, 0.75, 0.72" in page and "roc_auc 0.72" in page

    def test_use_cases_have_lines_of_their_own(self, tmp_path):
        write_run(tmp_path / "run-1", name="one")
        write_run(tmp_path / "run-2", name="two")
        reporting.write_index(tmp_path)
        assert "Scores of the last 2 runs" not in (tmp_path / "index.html").read_text()


class TestSummary:
    def test_summary_has_decision_scores_gates_and_stages(self, tmp_path, capsys):
        gates = table_exhibit(
            [("min_score", "passed", "0.81", "a|b <b>")],
            ["gate", "verdict", "measured", "limit"],
            title="Gates",
            section="gates",
        )
        folder = write_run(tmp_path / "run", {"evaluate": result(gates, **EVALUATION)})
        assert main(["summary", str(folder)]) == 0
        out = capsys.readouterr().out
        assert out.startswith("## shop: succeeded\n\n**Promoted: version 2**\n\nlinear is version 2")
        assert "| min_score | passed | 0.81 | a\\|b &lt;b&gt; |" in out
        assert "| evaluate | succeeded | 1.5 |" in out and "What is not known" in out

    def test_summary_fits_a_pull_request(self, tmp_path, capsys):
        wide = charts.Table({f"column {number}": ["x" * 2_000] * 200 for number in range(20)})
        folder = write_run(tmp_path / "run", {"evaluate": result(charts.to_exhibit(wide, "wide"), **EVALUATION)})
        main(["summary", str(folder)])
        assert len(capsys.readouterr().out) < 60_000


def test_record_has_the_facts_of_each_stage(tmp_path):
    folder = write_run(tmp_path / "run", {"deploy": result(url="http://here", version="2")})
    run = read_run(folder)
    assert run.facts("deploy") == {"url": "http://here", "version": "2"} == run.results["deploy"]["facts"]
    assert json.loads((folder / "run.json").read_text())["stages"][0]["facts"]["url"] == "http://here"
