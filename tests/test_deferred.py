"""Deferred imports: the same answers, later."""

import subprocess
import sys

from lib.paths import ROOT

_PROGRAM = """
import sys, lib.outputs, jsonschema, scrapbook
print("rfc3987_syntax.syntax_helpers" in sys.modules)
def valid(text):
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft7Validator({"format": "iri"}, format_checker=checker).is_valid(text)
print(valid("http://exämple.org/ä"), valid("no iri"))
print("rfc3987_syntax.syntax_helpers" in sys.modules)
import rfc3987_syntax
print(rfc3987_syntax.is_valid_syntax("iri", "urn:a:b"), bool(rfc3987_syntax.__file__))
"""


def test_the_grammar_is_compiled_at_its_first_use_and_then_judges_as_ever():
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert ran.stdout.split("\n")[:4] == ["False", "True False", "True", "True True"], ran.stderr
