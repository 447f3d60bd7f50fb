"""Pages of the site that are made from other files of the repository, and links between all of them.

mkdocs calls the functions of this module while it builds the site; see ``hooks`` in mkdocs.yml.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# Page of the site -> file of the repository.
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "license.md": "LICENSE",
    "parameters.md": "parameters/base.yaml",
    "example-tables.md": "data/README.md",
    "infra.md": "infra/README.md",
    "loopback.md": "tests/azure/README.md",
}
GALLERY_MARK = "<!-- gallery -->"
# A line of parameters/base.yaml: name, default and comment. A mapping has its default on the next lines.
_PARAMETER = re.compile(r"(\w+): *(.*?) *# (.*)")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from files outside docs/."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=read_page(source)))
    return files


def read_page(source: str) -> str:
    """Return a file of the repository as Markdown."""
    text = (ROOT / source).read_text(encoding="utf-8")
    if source.endswith(".yaml"):
        return parameter_page(text)
    return text if source.endswith(".md") else f"# License\n\n```text\n{text}```\n"


def parameter_page(text: str) -> str:
    """Return parameters/base.yaml as Markdown: a section for each group of parameters, with a table."""
    lines = ["# Parameters", "", "Every parameter, its default and its meaning, from `parameters/base.yaml`."]
    for block in text.split("\n\n")[1:]:
        heading, *assignments = block.splitlines()
        title, _, remark = heading.removeprefix("# ").partition(". ")
        lines += ["", f"## {title}", "", *([remark, ""] if remark else [])]
        lines += ["| parameter | default | meaning |", "| --- | --- | --- |"]
        for line in assignments:
            if parameter := _PARAMETER.fullmatch(line):
                name, default, meaning = parameter.groups()
                lines.append(f"| `{name}` | {f'`{default}`' if default else 'a table'} | {meaning} |")
    return "\n".join(lines) + "\n"


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Rewrite links between files of the repository as links between pages."""
    name = page.file.src_uri
    source = PAGES.get(name, f"docs/{name}")
    markdown = markdown.replace(GALLERY_MARK, list_notebooks())
    return _LINK.sub(lambda link: rewrite_link(link, source), markdown)


def on_post_page(output: str, **_: object) -> str:
    """Load the search worker from the site itself; the theme loads it from unpkg.com."""
    return output.replace("https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js")


def on_post_template(output_content: str, **_: object) -> str:
    """Do the same for pages without a Markdown source, such as 404.html."""
    return on_post_page(output_content)


def list_notebooks() -> str:
    """Return the executed notebooks in docs/gallery as a Markdown list."""
    names = [file.name for file in sorted((ROOT / "docs" / "gallery").glob("*.html"))]
    return "\n".join(f"- [{name.removesuffix('.html')}](gallery/{name})" for name in names)


def rewrite_link(link: re.Match[str], source: str) -> str:
    """Return a link as the site needs it; a link to a file that has no page becomes its text."""
    mark, text, address = link.groups()
    if "://" in address or address.startswith("#"):
        return link[0]
    path, anchor, fragment = address.partition("#")
    target = os.path.normpath(os.path.join(os.path.dirname(source), path))
    page = {file: page for page, file in PAGES.items()}.get(target)
    if page is None and target.startswith("docs/"):
        page = target.removeprefix("docs/")
    return f"{mark}[{text}]({page}{anchor}{fragment})" if page else text
