"""Write the software bill of materials of the lock file, in the format of CycloneDX."""

from __future__ import annotations

import argparse
import datetime
import json

from lib.errors import DataError
from lib.invocation import version
from lib.paths import ROOT, display_path, resolve

_LOCK = ROOT / "requirements.lock"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--lock", default=str(_LOCK), metavar="FILE", help="the lock file (default: requirements.lock)")
    parser.add_argument("--out", metavar="FILE", help="the JSON file to write (default: print it)")


def execute(options: argparse.Namespace) -> int:
    """Write or print the document."""
    from lib.evidence.sbom import make_sbom

    lock = resolve(options.lock)
    try:
        document = make_sbom(lock.read_text(encoding="utf-8"), version(), datetime.datetime.now(datetime.UTC))
    except OSError as error:
        raise DataError(f"--lock: {display_path(lock)} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"--lock: {display_path(lock)}: {error}") from error
    text = json.dumps(document, indent=1, ensure_ascii=False)
    if options.out:
        resolve(options.out).write_text(text + "\n", encoding="utf-8")
        print(f"{len(document['components'])} packages: {display_path(resolve(options.out))}")
    else:
        print(text)
    return 0
