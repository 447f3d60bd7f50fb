"""The page at ``/`` in a real browser, with keyboard and mouse."""

import pytest

from tests.served_models import ROW
from tests.serving import browser

# The models are saved once for all tests of this folder, so these tests stay on one worker.

pytestmark = [
    pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium; `make test-all` installs Debian's"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def live(models, endpoint):
    """Address and key of a running endpoint."""
    status = endpoint.deploy(models / "classifier", "3", model_name="flights-late")
    return status.url.removesuffix("score"), endpoint.keys()["primary"]


@pytest.fixture
def page(live, tmp_path):
    """Open the endpoint's page; the test fails if the page contacts another server."""
    chromium = browser.Browser(tmp_path / "profile")
    try:
        chromium.open(live[0])
        yield chromium
        assert chromium.requested and all(address.startswith(live[0]) for address in chromium.requested)
    finally:
        chromium.close()


def fill(page, name, text):
    """Type a text into the field of a column."""
    labels = "[...document.querySelectorAll('#fields label')]"
    has_name = f"(label) => label.querySelector('.label').textContent === '{name}'"
    page.run(f"{labels}.find({has_name}).querySelector('input').focus()")
    page.type(text)


def predict(page, key):
    """Enter the key, press the button and return the prediction or error that appears."""
    page.run("document.getElementById('key').focus()")
    page.type(key)
    page.click("#predict")
    return page.wait_for("document.querySelector('#result .answer, #result .error')?.textContent")


def test_form_starts_with_a_valid_example_row(page, live):
    names = page.run("[...document.querySelectorAll('#fields .label')].map((label) => label.textContent)")
    hints = page.run("[...document.querySelectorAll('#fields .hint')].map((hint) => hint.textContent)")
    choices = page.run("[...document.querySelectorAll('#fields datalist option')].map((option) => option.value)")
    assert names == list(ROW) and choices == ["Oslo", "Rome </script>"]
    assert hints[0] == "18 to 89 in training" and hints[4] == "2024-01-01 to 2024-01-03 in training"
    assert predict(page, live[1]) in ("late", "on time")
    classes = page.run(
        "[...document.querySelectorAll('#result .probability')].map((line) => line.firstChild.textContent)"
    )
    assert sorted(classes) == ["late", "on time"] and not page.errors


def test_typed_values_change_the_prediction(page, live):
    fill(page, "age", "88")
    assert predict(page, live[1]) == "late"
    page.run("document.getElementById('result').replaceChildren()")
    fill(page, "age", "20")
    page.click("#predict")
    assert page.wait_for("document.querySelector('#result .answer')?.textContent") == "on time"


def test_wrong_values_are_marked_at_their_field(page, live):
    fill(page, "age", "forty")
    assert "expected a whole number" in predict(page, live[1])
    assert page.run("document.querySelector('#fields label.wrong .label').textContent") == "age"


def test_wrong_key_gets_no_prediction(page):
    assert "needs a key" in predict(page, "wrong")


def test_api_page_opens(page, live):
    page.open(live[0] + "docs")
    assert "curl " + live[0] + "score" in page.run("document.body.innerText") and not page.errors
