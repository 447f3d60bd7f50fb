"""Add a module of your own to custom/: a pipeline, features, a training function, a metric or a stage."""

from __future__ import annotations

import argparse
import keyword
from pathlib import Path

from lib import catalogue, extensions, metrics
from lib.chain import notebooks
from lib.commands import _skeletons
from lib.errors import ParameterError
from lib.paths import display_path

_FOLDERS = {
    "pipeline": "pipelines",
    "features": "features",
    "training": "training",
    "metric": "metrics",
    "stage": "stages",
}
_TEMPLATES = {
    "pipeline": _skeletons.PIPELINE,
    "features": _skeletons.FEATURES,
    "training": _skeletons.TRAINING,
    "metric": _skeletons.METRIC,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("kind", choices=tuple(_FOLDERS), help="what to add")
    parser.add_argument("name", help="its name: letters, digits and underscores")
    parser.add_argument("--inputs", nargs="*", default=[], help="of a stage: outputs of earlier stages that it reads")
    parser.add_argument("--outputs", nargs="*", default=[], help="of a stage: outputs that it publishes")


def execute(options: argparse.Namespace) -> int:
    """Write the files, and print what to do with them."""
    name = options.name
    for text in (name, *options.inputs, *options.outputs):
        if not text.isidentifier() or keyword.iskeyword(text) or text.startswith("_"):
            raise ParameterError(f"{text!r} is not a name; expected letters, digits and underscores, e.g. churn_rate.")
    if name in _list_bundled_names(options.kind):
        raise ParameterError(f"{name} is the name of a {options.kind} of Millrace. Choose another one.")
    folder = extensions.CUSTOM_FOLDER / _FOLDERS[options.kind]
    files = _make_files(options, folder)
    existing = [display_path(file) for file in files if file.exists()]
    if existing:
        raise ParameterError(f"There is already {' and '.join(existing)}. Choose another name, or edit the file.")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
        print(f"Wrote {display_path(file)}")
    print("Edit it, and check it: make check-custom")
    return 0


def _list_bundled_names(kind: str) -> list[str]:
    """Return the names of Millrace's own entries of a kind."""
    if kind == "metric":
        return [metric.name for metric in metrics.METRICS]
    if kind == "stage":
        return [*(notebook.stage for notebook in notebooks.read_all()), *notebooks.OUTSIDE_CHAIN]
    return catalogue.names(f"lib.{_FOLDERS[kind]}", is_bundled=True)


def _make_files(options: argparse.Namespace, folder: Path) -> dict[Path, str]:
    """Return the files to write, with their texts."""
    name = options.name
    if options.kind != "stage":
        class_name = "".join(part.capitalize() for part in name.split("_"))
        return {folder / f"{name}.py": _TEMPLATES[options.kind].format(name=name, class_name=class_name)}
    types = "{" + ", ".join(f'"{output}": "str"' for output in options.outputs) + "}"
    result = "{" + ", ".join(f'"{output}": ""' for output in options.outputs) + "}"
    module = _skeletons.STAGE.format(name=name, types=types, result=result)
    notebook = _skeletons.make_stage_notebook(name, options.inputs, options.outputs)
    return {folder / f"{name}.py": module, folder / f"{name}.ipynb": notebook}
