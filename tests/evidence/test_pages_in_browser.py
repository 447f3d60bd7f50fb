"""The pages of a run in a real browser: accessibility, width, keyboard and printing, in light and in dark."""

import json
import shutil
import subprocess

import pytest

from lib.chain import reporting
from tests.evidence.published_runs import EVALUATION, chart_exhibit, result, table_exhibit, write_run
from tests.serving.browser import PROGRAM, Browser

AXE = "axe-core@4.10.3"
WIDTHS = (1400, 400)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm"),
]
LONG = "a_very_long_name_of_a_column_without_any_space_in_it_" * 4


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """Return the script of axe-core, an accessibility checker."""
    folder = tmp_path_factory.mktemp("axe")
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), AXE]
    subprocess.run(install, check=True, capture_output=True, timeout=240)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the pages of a run that succeeded, of one that failed, and the list of runs."""
    runs = tmp_path_factory.mktemp("runs")
    scores = table_exhibit([("roc_auc", 0.81), (LONG, 0.7)], ["metric", "test rows"], title=f"Scores of {LONG}")
    wide = table_exhibit([[str(number) for number in range(40)]] * 3, [f"column {number}" for number in range(40)])
    results = {
        "preprocess": result(wide, chart_exhibit("balance")),
        "train forest": result(scores, run_id="r2"),
        "train linear": result(scores, chart_exhibit("curve"), run_id="r1"),
        "evaluate": result(
            **EVALUATION | {"sentences": {**EVALUATION["sentences"], "warnings": ["Too good to be true."]}}
        ),
    }
    good = write_run(runs / "run-1", results, parameters={"card": {"owner": LONG}})
    failed = [{"stage": "setup", "status": "failed", "seconds": 1, "error": LONG}]
    bad = write_run(runs / "run-2", {}, "failed", stages=failed, error=LONG)
    for folder in (good, bad):
        assert reporting.write_report(folder)
    reporting.write_index(runs)
    return [good / "report.html", bad / "report.html", good / "04_evaluate.html", runs / "index.html"]


@pytest.fixture
def browser(tmp_path):
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


@pytest.mark.parametrize("dark", [False, True])
def test_pages_have_no_accessibility_violations(browser, axe, pages, dark, tmp_path):
    for page in pages:
        for width in WIDTHS:
            browser.open(page.as_uri())
            browser.screenshot(tmp_path / "page.png", width=width, dark=dark)
            browser.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
            browser.run(f"{axe};0")
            violations = browser.run(
                "axe.run(document).then((found) => JSON.stringify(found.violations.map("
                "(each) => [each.id, each.nodes[0].html, each.nodes[0].failureSummary])))"
            )
            assert json.loads(violations) == [], (page, width, dark)
            assert not browser.run("document.documentElement.scrollWidth > document.documentElement.clientWidth"), page
    assert browser.errors == [] and not [url for url in browser.requested if not url.startswith(("file:", "data:"))]


def test_checker_finds_a_planted_violation(browser, axe, pages):
    browser.open(pages[0].as_uri())
    browser.run("document.querySelector('h1').style.color = '#dddddd'")
    browser.run(f"{axe};0")
    assert "color-contrast" in browser.run("axe.run(document).then((found) => found.violations.map((each) => each.id))")


def test_keyboard_reaches_every_link_and_table_visibly(browser, pages):
    browser.open(pages[0].as_uri())
    count = browser.run("document.querySelectorAll('a, summary, [tabindex]').length")
    folded = browser.run("document.querySelectorAll('details [tabindex]').length")
    reached = set()
    for _ in range(count - folded):
        for kind in ("rawKeyDown", "keyUp"):
            browser.send("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        outline, path = browser.run(
            "(() => { const element = document.activeElement; return [getComputedStyle(element).outlineStyle,"
            " [...document.querySelectorAll('a, summary, [tabindex]')].indexOf(element)]; })()"
        )
        assert outline == "solid"
        reached.add(path)
    assert len(reached) == count - folded and -1 not in reached


def test_report_prints_with_its_folded_parts(browser, pages):
    browser.open(pages[0].as_uri())
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.run("document.querySelector('details table').getBoundingClientRect().height") > 0
    assert len(browser.send("Page.printToPDF")["data"]) > 10_000
