"""Show where the report of a run is, or map the items of a rule on technical documentation to the run's evidence."""

from __future__ import annotations

import argparse

from lib.chain import record as records
from lib.commands import _arguments, _runs
from lib.errors import DataError
from lib.paths import display_path, resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    from lib.evidence.rule_report import list_rules

    rules = list_rules()
    parser.add_argument(
        "--for",
        dest="rule",
        type=_arguments.make_name_converter("rule", rules),
        metavar="RULE",
        help=f"map the items of a rule to the evidence: {' or '.join(rules)}",
    )
    parser.add_argument("--out", metavar="FILE", help="with --for: the Markdown file to write (default: print it)")
    _runs.add_run_argument(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the path of the report, which is written if the run has none, or the report on a rule."""
    from lib.chain import reporting
    from lib.evidence.report.run_files import REPORT, read_run
    from lib.evidence.rule_report import load_rule, render_rule

    folder = _runs.find_run(options)
    state = records.read_current(folder)
    if options.rule is None:
        report = folder / REPORT
        # A run whose process was killed has neither a report nor a manifest, which the report would contradict.
        if not report.is_file() and state["status"] != records.RUNNING:
            reporting.write_report(folder)
        if not report.is_file():
            raise DataError(f"{display_path(folder)} has no report yet: its status is {state['status']}.")
        print(display_path(report))
        return 0
    text = render_rule(load_rule(options.rule), read_run(folder, state))
    if options.out:
        resolve(options.out).write_text(text + "\n", encoding="utf-8")
        print(display_path(resolve(options.out)))
    else:
        print(text)
    return 0
