"""Secrets in texts: resolved values in every spelling, credentials of well-known forms, and no false alarms."""

import base64
import html
import json
import urllib.parse

import pytest

from lib.paths import ROOT
from lib.secrets import credential_shapes, known_values, redaction

VALUES = ["hunter2", "p@ss/w+rd&x=1", "sv=2024-11-04&sig=Zm9v%2Bb%2FrZm9v%3D&se=2027", "näh 'quoted\" \\ $x", "k" * 44]
SPELLINGS = {
    "as it is": str,
    "percent-encoded": lambda value: urllib.parse.quote(value, safe=""),
    "percent-encoded twice": lambda value: urllib.parse.quote(urllib.parse.quote(value, safe=""), safe=""),
    "in lower case percent-encoding": lambda value: urllib.parse.quote(value, safe="").replace("%2B", "%2b"),
    "in a form": urllib.parse.quote_plus,
    "decoded": urllib.parse.unquote,
    "HTML": html.escape,
    "JSON": lambda value: json.dumps({"key": value}),
    "JSON without ASCII": lambda value: json.dumps([value], ensure_ascii=False),
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)),
    "Python": repr,
    "bytes": lambda value: repr(value.encode()),
}
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CREDENTIALS = {
    "AWS access key": "AKIA" + "ABCDEFGHIJ234567",
    "AWS secret key": "aws_secret_access_key = '" + LETTERS[:40] + "'",
    "Azure storage key": "key: " + (LETTERS * 2)[:86] + "==",
    "Azure account key": "BlobEndpoint=https://x;Account" + "Key=" + LETTERS[:43] + "=",
    "SAS signature": "https://a.blob.core.windows.net/b/c.csv?sv=2024&s" + "ig=" + LETTERS[:40] + "%2BA%3D",
    "Azure client secret": "abc8" + "Q~" + LETTERS[:34],
    "GitHub token": "ghp" + "_" + LETTERS[:36],
    "GitLab token": "glpat" + "-" + LETTERS[:20],
    "JSON Web Token": "eyJ" + LETTERS[:20] + ".eyJ" + LETTERS[:30] + "." + LETTERS[:43],
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA " + "PRIVATE KEY-----",
    "Slack token": "xoxb" + "-123456789012-abcdefABCDEF",
    "Slack webhook": "https://hooks.slack.com/services/" + "T0000/B0000/" + LETTERS[:24],
    "Google API key": "AIza" + (LETTERS)[:35],
    "Google client secret": "GOCSPX" + "-" + LETTERS[:28],
    "Hugging Face token": "hf" + "_" + LETTERS[:34],
    "Stripe key": "sk" + "_live_" + LETTERS[:24],
    "Databricks token": "dapi" + "0123456789abcdef" * 2,
    "npm token": "npm" + "_" + LETTERS[:36],
    "password in an address": "postgresql://shop:" + "geheim1" + "@db.example.com/shop",
    "password in a connection string": "Server=db;Database=shop;User Id=ada;Pass" + "word=geheim1;Encrypt=yes",
    "authorization header": "Author" + "ization: Bearer " + LETTERS[:20],
}


@pytest.fixture(autouse=True)
def no_known_values():
    yield
    known_values.forget_all()


@pytest.mark.parametrize("value", VALUES)
def test_a_resolved_value_is_masked_in_every_spelling(value):
    known_values.remember("env:TOKEN", value)
    for name, spell in SPELLINGS.items():
        text = f"before {spell(value)} after"
        masked = known_values.mask(text)
        assert "env:TOKEN" in masked and value not in masked, (name, text, masked)
        assert masked.startswith("before ") and masked.endswith(" after"), (name, masked)


@pytest.mark.parametrize("prefix", ["", "u", "us", "user:"])
def test_a_resolved_value_is_masked_in_base64(prefix):
    known_values.remember("env:TOKEN", "hunter2hunter2")
    encoded = base64.b64encode(f"{prefix}hunter2hunter2:x".encode()).decode()
    assert "env:TOKEN" in known_values.mask(f"Basic {encoded}")


def test_a_cut_off_value_a_line_of_a_key_and_a_decoded_signature_are_masked():
    known_values.remember("env:LONG", LETTERS)
    known_values.remember("env:LINES", f"-----BEGIN X-----\n{LETTERS[::-1]}\n-----END X-----\n")
    known_values.remember("${SAS}", "sv=2024-11-04&sig=Zm9v%2Bb%2FrZm9v%3D&se=2027")
    assert known_values.mask(f"{LETTERS[:47]}... next") == "env:LONG next"
    assert known_values.mask(f"> {LETTERS[::-1]}") == "> env:LINES"
    assert known_values.mask("{'sig': ['Zm9v+b/rZm9v=']}") == "{'sig': ['${SAS}']}"
    assert known_values.mask("sv=2024-11-04") == "sv=2024-11-04"


def test_short_values_do_not_damage_other_words():
    known_values.remember("env:A", "prod")
    known_values.remember("env:B", "abc")
    assert known_values.mask("production prod abc") == "production env:A abc"


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_a_credential_is_recognized_by_its_form(kind):
    text, secrets = redaction.redact(f"before {CREDENTIALS[kind]} after")
    assert secrets == [kind] and f"[redacted: {kind}]" in text
    assert text.startswith("before ") and text.endswith(" after")
    assert redaction.redact(text)[0] == text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://shop:${PASSWORD}@host/shop",
        "postgresql://shop:***@host/shop",
        "https://user@host/path and https://host:8080/x@y",
        'curl -H "Authorization: Bearer $(run_all.py endpoint key shop)"',
        "sha512-" + (LETTERS * 2)[:86] + "==",
        "password = getpass()",
        "sig=0.05 significance, sigma=1",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301 " + "0123456789abcdef" * 4,
        "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 3).decode(),
    ],
)
def test_ordinary_texts_are_no_credentials(text):
    assert redaction.redact(text) == (text, [])


def test_no_file_of_the_project_raises_a_false_alarm():
    folders = ("lib", "docs", "notebooks", "parameters", "infra", "data")
    files = [
        file
        for folder in folders
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".md", ".ipynb", ".yaml", ".csv", ".tf", ".js")
    ]
    alarms = {file.name: kind for file in files if (kind := credential_shapes.find(file.read_text("utf-8", "replace")))}
    assert len(files) > 400 and alarms == {}


def test_values_in_json_are_redacted_with_keys_and_lists_of_lines():
    known_values.remember("env:TOKEN", "first line\nsecond line")
    value = {"text": ["a first line\n", "second line b"], "first line\nsecond line": [1, None, ["x"]]}
    assert redaction.redact_value(value) == (
        {"text": ["a [redacted: env:TOKEN] b"], "[redacted: env:TOKEN]": [1, None, ["x"]]},
        ["env:TOKEN", "env:TOKEN"],
    )
