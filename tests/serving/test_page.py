"""The page at /, as a person meets it: in a browser, with a keyboard and a mouse."""

import pytest

from tests.served_models import ROW
from tests.serving import browser

# The models are saved once for all files of this folder, so these stay on one worker.

pytestmark = [
    pytest.mark.skipif(browser.FOUND is None, reason="there is no Chromium; `make test-all` installs Debian's"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def live(models, endpoint):
    status = endpoint.deploy(models / "classifier", "3", model_name="flights-late")
    return status.url.removesuffix("score"), endpoint.keys()["primary"]


@pytest.fixture
def page(live, tmp_path):
    made = browser.Browser(tmp_path / "profile")
    try:
        made.open(live[0])
        yield made
        # Nothing of it came from elsewhere, or went there.
        assert made.requested and all(address.startswith(live[0]) for address in made.requested)
    finally:
        made.close()


def fill(page, name, text):
    """Type into the field of that name."""
    labels = "[...document.querySelectorAll('#fields label')]"
    page.run(
        f"{labels}.find((one) => one.querySelector('.label').textContent === '{name}').querySelector('input').focus()"
    )
    page.type(text)


def ask(page, key):
    """Give the key, press the button, and read what appears."""
    page.run("document.getElementById('key').focus()")
    page.type(key)
    page.click("#ask")
    return page.wait_for("document.querySelector('#result .answer, #result .error')?.textContent")


def test_fields_stand_there_filled_with_a_row_that_is_answered(page, live):
    names = page.run("[...document.querySelectorAll('#fields .label')].map((one) => one.textContent)")
    hints = page.run("[...document.querySelectorAll('#fields .hint')].map((one) => one.textContent)")
    choices = page.run("[...document.querySelectorAll('#fields datalist option')].map((one) => one.value)")
    assert names == list(ROW) and choices == ["Oslo", "Rome </script>"]
    assert hints[0] == "18 to 89 in training" and hints[4] == "2024-01-01 to 2024-01-03 in training"
    assert ask(page, live[1]) in ("late", "on time")
    shares = page.run("[...document.querySelectorAll('#result .chance')].map((one) => one.firstChild.textContent)")
    assert sorted(shares) == ["late", "on time"] and not page.complaints


def test_what_is_typed_decides(page, live):
    fill(page, "age", "88")
    assert ask(page, live[1]) == "late"
    page.run("document.getElementById('result').replaceChildren()")
    fill(page, "age", "20")
    page.click("#ask")
    assert page.wait_for("document.querySelector('#result .answer')?.textContent") == "on time"


def test_a_wrong_value_is_told_at_its_field(page, live):
    fill(page, "age", "forty")
    assert "expected a whole number" in ask(page, live[1])
    assert page.run("document.querySelector('#fields label.wrong .label').textContent") == "age"


def test_without_the_key_nobody_is_answered(page):
    assert "needs a key" in ask(page, "wrong")


def test_the_api_page_opens(page, live):
    page.open(live[0] + "docs")
    assert "curl " + live[0] + "score" in page.run("document.body.innerText") and not page.complaints
