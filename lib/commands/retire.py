"""Take a model version out of production, so that the next evaluation promotes without a comparison."""

from __future__ import annotations

import argparse

from lib import backends
from lib.chain import sealing
from lib.commands import _arguments
from lib.errors import NameNotFound, ParameterError
from lib.invocation import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("name", help="name of the use case")
    parser.add_argument("version", help="the version in production")
    parser.add_argument("--why", required=True, metavar="REASON", help="reason, recorded in the model registry")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Take the tag production from the version, and print what follows."""
    if not options.why.strip():
        raise ParameterError("--why is empty; expected the reason, which is recorded in the model registry.")
    parameters = _arguments.load_parameters(options, announce=False)
    registry = backends.connect(parameters).models(options.name)
    versions = [version.version for version in registry.versions()]
    if options.version not in versions:
        raise NameNotFound("version", options.version, versions, where=f"the model {options.name}")
    registry.retire(options.version, options.why.strip())
    sealing.record_production(parameters, f"{options.name}: version {options.version} retired: {options.why.strip()}")
    print(
        f"{options.name}: version {options.version} is no longer in production. Reason: {options.why.strip()}\n"
        "The endpoint keeps serving it until the next deployment. To promote another version, evaluate again: "
        f"{command('--from', 'evaluate')}"
    )
    return 0
