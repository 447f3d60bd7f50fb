"""Deferred imports give the same answers, and import on first use."""

import subprocess
import sys

from lib.paths import ROOT

_PROGRAM = """
import sys, lib.outputs, jsonschema, scrapbook
print("rfc3987_syntax.syntax_helpers" in sys.modules)
def is_valid(text):
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft7Validator({"format": "iri"}, format_checker=checker).is_valid(text)
print(is_valid("http://exämple.org/ä"), is_valid("no iri"))
print("rfc3987_syntax.syntax_helpers" in sys.modules)
import rfc3987_syntax
print(rfc3987_syntax.is_valid_syntax("iri", "urn:a:b"), bool(rfc3987_syntax.__file__))
"""


def test_rfc3987_syntax_is_imported_on_first_use():
    result = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.stdout.split("\n")[:4] == ["False", "True False", "True", "True True"], result.stderr
