"""The gallery: executed notebooks as HTML, made by `make docs`.

The notebooks of a real run are converted to docs/gallery/. An up-to-date gallery is kept.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from docs.scripts.example_run import ROOT, example_run

GALLERY = ROOT / "docs" / "gallery"
SOURCES = ("lib/**/*.py", "notebooks/*.ipynb", "parameters/*.yaml", "docs/scripts/*.py")
# Code that prepares a notebook is hidden; see the tags in notebooks/.
HIDDEN_INPUT_TAGS = ("hide-input", "remove-input", "hide_input")
HIDDEN_CELL_TAGS = ("hide-cell", "remove-cell", "hide_cell")


def is_current() -> bool:
    """Return whether the gallery is newer than everything it is made from."""
    pages = list(GALLERY.glob("*.html"))
    sources = [file for pattern in SOURCES for file in ROOT.glob(pattern)]
    return bool(pages) and min(map(modified, pages)) > max(map(modified, sources))


def modified(file: Path) -> float:
    """Return when a file was last modified, in seconds since the epoch."""
    return file.stat().st_mtime


def to_html(notebook: Path) -> str:
    """Convert an executed notebook to a page that loads nothing from other servers."""
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = set(HIDDEN_INPUT_TAGS)
    config.TagRemovePreprocessor.remove_cell_tags = set(HIDDEN_CELL_TAGS)
    exporter = HTMLExporter(config=config, require_js_url="", mathjax_url="", jquery_url="", mermaid_js_url="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    page, _ = exporter.from_notebook_node(without_scraps(nbformat.read(notebook, as_version=4)))
    page = re.sub(r"<script\b[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    page = page.replace(f"{ROOT}/", "")
    page = re.sub(r"<link\b[^>]*https?://[^>]*>", "", page)
    return re.sub(r'href="([\w-]+)\.ipynb"', lambda link: f'href="{page_of(link[1], notebook.parent)}"', page)


def without_scraps(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove the outputs that scrapbook stores for other notebooks; they have no visible form."""
    for cell in notebook.cells:
        cell.outputs = [output for output in cell.get("outputs", []) if not is_scrap(output)]
    return notebook


def is_scrap(output: nbformat.NotebookNode) -> bool:
    """Return whether an output belongs to scrapbook."""
    return any(media_type.startswith("application/scrapbook") for media_type in output.get("data", {}))


def page_of(stem: str, folder: Path) -> str:
    """Return the page a link to a notebook leads to: 03_train is one of several, 03_train-linear."""
    names = sorted(file.stem for file in folder.glob(f"{stem}*.ipynb"))
    return f"{names[0] if names else stem}.html"


def main() -> None:
    """Run the example and convert its notebooks, unless the gallery is current."""
    if is_current():
        return
    shutil.rmtree(GALLERY, ignore_errors=True)
    GALLERY.mkdir(parents=True)
    with example_run() as run:
        for notebook in sorted(run.notebooks.glob("*.ipynb")):
            (GALLERY / f"{notebook.stem}.html").write_text(to_html(notebook), encoding="utf-8")


if __name__ == "__main__":
    main()
