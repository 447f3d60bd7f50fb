"""Look at a table and write the parameter file and the contract for it."""

from __future__ import annotations

import argparse
import re
import textwrap
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from lib.data import sources
from lib.errors import ParameterError
from lib.metrics import TASKS
from lib.parameters import SPECS
from lib.parameters.checks import unknown_encoding
from lib.paths import ROOT, display_path

if TYPE_CHECKING:
    from lib.data.proposal import Proposal

_WIDTHS = (12, 58, 58)
_CHILD = '''\
"""{title}: what differs from the base pipeline."""

from __future__ import annotations

import pandas as pd

from lib.pipelines.base import BasePipeline


class {class_name}Pipeline(BasePipeline):
    """Override a hook; `BasePipeline` says of each when it is called, what it gets and what it must return."""

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The table to learn from: derive the target, join other tables, leave leaks out here."""
        return frame
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which table, which target, and what is to be written."""
    parser.add_argument("--data", required=True, help="the table: a file, folder, pattern or address")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument("--name", help="of the use case; by default made of the table's name")
    parser.add_argument("--encoding", default="", help="of a text file, e.g. cp1250; by default found by looking")
    parser.add_argument("--task", choices=TASKS, help="by default found by looking at the target")
    parser.add_argument("--child", action="store_true", help="write a child class too, for code of your own")
    parser.add_argument("--force", action="store_true", help="write over files that are there")


def execute(options: argparse.Namespace) -> int:
    """Read, propose, write, tell."""
    if fault := unknown_encoding(options.encoding):
        raise ParameterError(f"--encoding: {fault}")
    name = _name(options)
    files = {
        "parameters": ROOT / "parameters" / f"{name}.yaml",
        "contract": ROOT / "parameters" / "contracts" / f"{name}.yaml",
    }
    if options.child:
        files["child"] = ROOT / "lib" / "pipelines" / f"{name.replace('-', '_')}.py"
    there = [display_path(file) for file in files.values() if file.exists()]
    if there and not options.force:
        raise ParameterError(f"There already: {', '.join(there)}. Give another --name, or --force to write over it.")

    from lib.data import contract, proposal

    data = _data(options.data)
    frame = sources.read(data, encoding=options.encoding)
    made = proposal.propose(frame, options.target, options.task or "", where=data)
    contract.write(contract.from_profile(made.columns), files["contract"], data, len(frame))
    parameters = {
        "name": name,
        **({"pipeline": files["child"].stem} if options.child else {}),
        "data": data,
        **({"encoding": options.encoding} if options.encoding else {}),
        "contract": display_path(files["contract"]),
        "target_column": options.target,
        **{one: made.parameters[one] for one in SPECS if one in made.parameters},
    }
    files["parameters"].write_text(_as_yaml(parameters, made), encoding="utf-8")
    if options.child:
        title = name.replace("-", " ").capitalize()
        class_name = "".join(part.capitalize() for part in name.split("-"))
        files["child"].write_text(_CHILD.format(title=title, class_name=class_name), encoding="utf-8")
    _show(made)
    print(f"\nWritten: {', '.join(display_path(file) for file in files.values())}")
    print(f"Run it:  python run_all.py --params {quote(display_path(files['parameters']))}")
    return 0


def _name(options: argparse.Namespace) -> str:
    address, _, table = options.data.rstrip("/").partition("#")
    stem = re.sub(r"\.\w+(\.gz)?$", "", table or address.split("/")[-1])
    made = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:32].strip("-")
    name = options.name or (made if made[:1].isalpha() else f"table-{made}"[:32].strip("-"))
    spec = SPECS["name"]
    if not re.fullmatch(spec.pattern, name):
        raise ParameterError(f"--name: {name!r} cannot be used; expected {spec.pattern_meaning}.")
    return name


def _data(given: str) -> str:
    """Address as a parameter: a path below the project's folder relative to it, others whole."""
    if sources.is_remote(given):
        return given
    here = Path(given).expanduser()
    if not here.is_absolute() and (here.exists() or not (ROOT / here).exists()):
        here = Path.cwd() / here
    return str(here.relative_to(ROOT)) if here.is_relative_to(ROOT) else str(here)


def _as_yaml(parameters: dict[str, Any], made: Proposal) -> str:
    lines = [
        f"# {' '.join(parameters['target_column'].split())} of {parameters['data']}: proposed by run_all.py init.",
        "# parameters/base.yaml explains every parameter; what is not here is as it says there.",
    ]
    for name, value in parameters.items():
        reason = made.reasons.get(name, "")
        if name == "drop_columns":
            lines.append(f"{name}:" if value else f"{name}: []")
            lines += [f"  - {_plain(one)}   # {made.reasons[f'{name}.{one}']}" for one in value]
        else:
            lines.append(f"{name}: {_plain(value)}" + (f"   # {reason}" if reason else ""))
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).removesuffix("...\n").strip()


def _show(made: Proposal) -> None:
    rows = [("looked at", "found", "decided"), *made.findings]
    for row in rows:
        cells = [textwrap.wrap(" ".join(cell.split()), width) or [""] for cell, width in zip(row, _WIDTHS, strict=True)]
        for line in range(max(map(len, cells))):
            parts = [cell[line] if line < len(cell) else "" for cell in cells]
            print("  ".join(part.ljust(width) for part, width in zip(parts, _WIDTHS, strict=True)).rstrip())
