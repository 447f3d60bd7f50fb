"""The pictures in docs/images, made by `make docs-images` from a real run. Needs Chromium."""

from __future__ import annotations

import html
import json
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from docs.scripts.example_run import FOLDER, ROOT, ExampleRun, example_run, run_all
from docs.scripts.gallery import to_html
from tests.serving.browser import Browser

IMAGES = ROOT / "docs" / "images"
COLORS = 256  # enough for text and charts, at a third of the file size
MARGIN = 8  # pixels below the last element of a picture
# The bottom edge of each paragraph, heading, table, picture and code cell, in pixels from the top of the page.
BOTTOMS = (
    "[...document.querySelectorAll('p, h1, h2, table, img, svg, pre')]"
    ".map(element => Math.ceil(element.getBoundingClientRect().bottom + scrollY))"
)

TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #1e2430; color: #d8dee9; font: 15px/1.5 "DejaVu Sans Mono", monospace; }}
header {{ background: #2b3240; padding: 8px 14px; }}
header i {{ display: inline-block; width: 12px; height: 12px; border-radius: 6px; margin-right: 6px; }}
pre {{ margin: 0; padding: 14px 18px; white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; }}
b {{ color: #ffffff; }} .ok {{ color: #8fd48f; }}
</style><header><i style="background:#ff5f57"></i><i style="background:#febc2e"></i><i style="background:#28c840"></i>
</header><pre>{text}</pre>"""


def terminal_page(run: ExampleRun) -> str:
    """Return a page that shows the run as a terminal does."""
    folder = FOLDER.relative_to(ROOT)
    lines = run.output.replace(f" -p workspace={folder}/workspace", "").replace(f"{folder}/", "").splitlines()
    body = "\n".join(html.escape(line).replace("✓", '<span class="ok">✓</span>') for line in lines)
    return TERMINAL.format(text=f"<b>$ {html.escape(run.command)}</b>\n{body}")


def fill_form(browser: Browser, key: str) -> None:
    """Give the form the endpoint's key, ask for a prediction, and remove the key again."""
    browser.run(f"document.getElementById('key').value = {json.dumps(key)}")
    browser.click("#predict")
    browser.wait_for("document.querySelector('#result .answer')?.textContent")
    browser.run("document.getElementById('key').value = '*'.repeat(20)")


def save_screenshot(browser: Browser, path: Path, width: int, max_height: int) -> None:
    """Save the top of the page as a PNG with few colors, and cut no paragraph, table or picture in two."""
    browser.send("Emulation.setDeviceMetricsOverride", width=width, height=400, deviceScaleFactor=1, mobile=False)
    height = browser.run("document.documentElement.scrollHeight")
    if height > max_height:
        height = MARGIN + browser.run(f"Math.max(...({BOTTOMS}).filter(bottom => bottom + {MARGIN} <= {max_height}))")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.png"
        browser.screenshot(raw, width, height)
        image = Image.open(BytesIO(raw.read_bytes())).convert("RGB").crop((0, 0, width, height))
    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Run the example and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with example_run() as run, tempfile.TemporaryDirectory() as folder:
        browser = Browser(Path(folder) / "profile")
        browser.send("Emulation.setScrollbarsHidden", hidden=True)
        try:
            page = Path(folder) / "page.html"
            page.write_text(terminal_page(run), encoding="utf-8")
            browser.open(page.as_uri())
            save_screenshot(browser, IMAGES / "terminal.png", width=900, max_height=700)
            page.write_text(to_html(run.notebooks / "04_evaluate.ipynb"), encoding="utf-8")
            browser.open(page.as_uri())
            save_screenshot(browser, IMAGES / "evaluate.png", width=1300, max_height=1000)
            browser.open((run.notebooks / "report.html").as_uri())
            save_screenshot(browser, IMAGES / "report.png", width=1000, max_height=900)
            address = next(line.split()[1] for line in run.output.splitlines() if line.startswith("Endpoint: "))
            browser.open(address.removesuffix("score"))
            fill_form(browser, run_all("endpoint", "key", "penguins").strip())
            save_screenshot(browser, IMAGES / "form.png", width=1000, max_height=1100)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
