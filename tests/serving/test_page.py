"""The page at ``/`` in a real browser, with keyboard and mouse."""

import csv
import json
import shutil
import subprocess
import tarfile
import time

import pytest

from tests.served_models import ROW
from tests.serving import browser

# The models are saved once for all tests of this folder, so these tests stay on one worker.

pytestmark = [
    pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium; `make test-all` installs Debian's"),
    pytest.mark.slow,
]
AXE = "axe-core@4.14.1"  # finds what makes a page hard to use for people with disabilities
ABOUT = {"target": "arrival", "metric": "roc_auc", "score": "0.912"}


@pytest.fixture(scope="module")
def live(models, endpoint):
    """Address and key of a running endpoint."""
    status = endpoint.deploy(models / "classifier", "3", model_name="flights-late", about=ABOUT)
    return status.url.removesuffix("score"), endpoint.keys()["primary"]


@pytest.fixture
def page(live, tmp_path):
    """Open the endpoint's page; the test fails if the page contacts another server."""
    chromium = browser.Browser(tmp_path / "profile")
    try:
        chromium.open(live[0])
        yield chromium
        # Chromium loads the pictures of its own date pickers as data.
        allowed = (live[0], f"blob:{live[0]}", "data:image/svg+xml")
        foreign = [address for address in chromium.requested if not address.startswith(allowed)]
        assert chromium.requested and not foreign
    finally:
        chromium.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """Return the script of axe-core from the npm registry."""
    folder = tmp_path_factory.mktemp("axe")
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    packed = subprocess.run(["npm", "pack", AXE], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if packed.returncode:
        pytest.skip(f"the npm registry cannot be reached: {packed.stderr[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


def control(name):
    """Return the script that finds the control of a column."""
    has_name = f"(label) => label.querySelector('.label').textContent === {json.dumps(name)}"
    return f"document.getElementById([...document.querySelectorAll('#fields label')].find({has_name}).htmlFor)"


def fill(page, name, text):
    """Type a text into the field of a column."""
    page.run(f"{control(name)}.focus()")
    page.type(text)


def predict(page, key):
    """Enter the key, press the button and return the prediction or error that appears."""
    page.run("document.getElementById('key').focus()")
    page.type(key)
    page.click("#predict")
    return page.wait_for("document.querySelector('#result .answer, #result .error')?.textContent")


def text_of(page):
    return page.run("document.body.innerText")


def test_page_says_what_it_predicts_and_how_to_get_the_key(page):
    text = text_of(page)
    assert "Predicts arrival." in text and "roc_auc on test rows is 0.912" in text and "trained on 20" in text
    assert "run_all.py endpoint key flights-late" in text


def test_form_starts_with_a_valid_example_row(page, live):
    names = page.run("[...document.querySelectorAll('#fields .label')].map((label) => label.textContent)")
    hints = page.run("[...document.querySelectorAll('#fields .hint')].map((hint) => hint.textContent)")
    assert names == list(ROW)
    assert hints[0] == "18 to 89 in training" and hints[4] == "2024-01-01 to 2024-01-03 in training"
    assert predict(page, live[1]) in ("late", "on time")
    classes = page.run(
        "[...document.querySelectorAll('#result .probability')].map((line) => line.firstChild.textContent)"
    )
    assert sorted(classes) == ["late", "on time"] and not page.errors


def test_fields_have_the_controls_of_their_kinds(page):
    page.click("#random")
    kinds = page.run(f"[{','.join(control(name) for name in ROW)}].map((node) => node.type)")
    assert kinds == ["text", "text", "select-one", "select-one", "datetime-local", "textarea"]
    options = page.run(f"[...{control('city')}.options].map((option) => option.textContent)")
    assert options == ["missing", "Oslo", "Rome </script>", "another value …"]
    page.run(
        "(() => { const slider = document.querySelector('#fields input[type=range]');"
        " slider.value = 77; slider.dispatchEvent(new Event('input')); })()"
    )
    assert page.run(f"{control('age')}.value") == "77"


def test_another_category_can_be_typed(page, live):
    page.click("#random")  # the example's city is not in the list
    city = control("city")
    page.run(f"(() => {{ {city}.value = OTHER; {city}.dispatchEvent(new Event('change')); }})()")
    page.type("Atlantis")
    assert page.run("readRow().city") == "Atlantis"
    assert predict(page, live[1]) in ("late", "on time")


def test_random_rows_are_valid_and_differ(page, live):
    rows = []
    for _ in range(5):
        page.click("#random")
        rows.append(page.run("JSON.stringify(readRow())"))
        page.run("document.getElementById('result').replaceChildren()")
        assert predict(page, live[1]) in ("late", "on time")
        assert not page.run("document.querySelectorAll('.unusual').length")
    assert len(set(rows)) == 5


def test_typed_values_change_the_prediction(page, live):
    fill(page, "age", "88")
    assert predict(page, live[1]) == "late"
    page.run("document.getElementById('result').replaceChildren()")
    fill(page, "age", "20")
    page.click("#predict")
    assert page.wait_for("document.querySelector('#result .answer')?.textContent") == "on time"


def test_wrong_values_are_called_by_their_field_and_focused(page, live):
    fill(page, "fare", "cheap")
    fill(page, "age", "forty")
    message = predict(page, live[1])
    assert message.startswith("age: got the text") and "row" not in message
    wrong = page.run("[...document.querySelectorAll('#fields .wrong .label')].map((label) => label.textContent)")
    assert wrong == ["age", "fare"]
    assert page.run(f"document.activeElement === {control('age')}")


def test_unusual_values_are_answered_with_a_warning(page, live):
    fill(page, "age", "280")
    assert predict(page, live[1]) == "late"
    assert "280 is unusual" in page.run("document.querySelector('#result .warning').textContent")
    assert page.run("document.querySelector('#fields .unusual .label').textContent") == "age"


@pytest.mark.parametrize(("key", "message"), [("wrong", "Wrong key."), ("", "Enter the key first.")])
def test_wrong_key_is_said_and_focused(page, key, message):
    assert predict(page, key) == message
    assert page.run("document.activeElement.id") == "key"


def test_whole_form_works_by_keyboard(page, live):
    page.run("document.getElementById('key').focus()")
    page.type(live[1])
    page.send("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    assert page.wait_for("document.querySelector('#result .answer')?.textContent") in ("late", "on time")


def test_csv_file_is_scored_and_downloaded(page, live, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        'age,fare,city,member,when,note\n41,12.5,Oslo,true,2024-01-01,"a ""b"", c"\n88,,,false,2024-01-01,=1+A1\n'
    )
    page.run("document.getElementById('key').focus()")
    page.type(live[1])
    document = page.send("DOM.getDocument")["root"]["nodeId"]
    node = page.send("DOM.querySelector", nodeId=document, selector="#csv")["nodeId"]
    page.send("DOM.setFileInputFiles", files=[str(path)], nodeId=node)
    page.click("#score-csv")
    assert page.wait_for("document.querySelector('#csv-result a')?.textContent") == "Download 2 rows with their answers"
    assert "formulas" in page.run("document.querySelector('#csv-result .warning').textContent")
    assert page.run("document.querySelector('#csv-result a').download") == "rows-answers.csv"
    page.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
    page.click("#csv-result a")
    downloaded = tmp_path / "downloads" / "rows-answers.csv"
    for _ in range(1200):
        if downloaded.exists():
            break
        time.sleep(0.1)
    names, *rows = csv.reader(downloaded.open(newline=""))
    assert names[-3:] != names[:3] and names[6] == "prediction" and rows[0][5] == 'a "b", c'
    assert [row[6] for row in rows] == ["on time", "late"]


def test_copied_commands_work(page, live, tmp_path):
    fill(page, "note", 'it\'s "here" \\ 100 %')
    expected = predict(page, live[1])
    for script, command in (("asCurl()", ["bash"]), ("asPython()", ["python3"])):
        ran = subprocess.run(
            command,
            input=page.run(script),
            capture_output=True,
            text=True,
            check=True,
            env={"KEY": live[1], "PATH": "/usr/local/bin:/usr/bin:/bin"},
        )
        assert expected in ran.stdout


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("path", ["", "docs"])
def test_axe_finds_nothing_and_nothing_overflows(page, live, axe, tmp_path, path, width, is_dark):
    page.open(live[0] + path)
    if not path:
        fill(page, "age", "280")
        predict(page, live[1])
    page.screenshot(tmp_path / "page.png", width, 900, is_dark)
    page.run(axe)
    found = page.run("axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))")
    assert found == []
    assert page.run("document.documentElement.scrollWidth <= innerWidth")


def test_key_and_button_are_above_the_fields_on_a_phone(page, tmp_path):
    page.screenshot(tmp_path / "page.png", 400, 800)
    bottom, top = page.run(
        "[document.getElementById('predict').getBoundingClientRect().bottom,"
        " document.getElementById('fields').getBoundingClientRect().top]"
    )
    assert bottom < 800 and bottom < top


def test_api_page_opens(page, live):
    page.open(live[0] + "docs")
    assert "curl " + live[0] + "score" in text_of(page) and not page.errors
