"""Credentials that can be recognized by their form, such as access keys, tokens and private keys.

The forms are those that the issuers document, with prefixes or checksums of their own; see
https://docs.github.com/code-security/secret-scanning/introduction/supported-secret-scanning-patterns and
https://github.com/gitleaks/gitleaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# A terminal's colour code, such as ESC[31m, may precede a credential.
_NOT_BEFORE = r"(?:(?<![A-Za-z0-9_])|(?<=\x1b\[\dm)|(?<=\x1b\[\d\dm))"
_NOT_AFTER = r"(?![A-Za-z0-9_])"
_BASE64_START, _BASE64_END = r"(?<![A-Za-z0-9+/_-])", r"(?![A-Za-z0-9+/=])"
# A value that stands for a password in documentation or in a message that is masked already.
_PLACEHOLDER = r"(?!\$|%\(|\{|<|\*|\[redacted|env:|keyvault:|xxx|\.\.\.)"

# Name; words of which a text contains at least one, in lower case, which is quick to check; and pattern. If the pattern
# has a group, only the group is secret.
_FORMS: tuple[tuple[str, str, str], ...] = (
    (
        "private key",
        "private",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[\s\S]{0,20000}?-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|[\w+/=\s\\]*)",
    ),
    ("AWS access key", "akia asia abia acca", rf"{_NOT_BEFORE}(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{{16}}{_NOT_AFTER}"),
    (
        "AWS secret key",
        "secret",
        r"(?i:aws_?secret_?(?:access_?)?key|secret_?access_?key)[\"']?\s*(?:=>|=|:|,)\s*[\"']?([A-Za-z0-9/+]{40})"
        + _BASE64_END,
    ),
    ("Azure storage key", "==", rf"{_BASE64_START}[A-Za-z0-9+/]{{86}}=={_BASE64_END}"),
    ("Azure account key", "key=", r"(?i:AccountKey|SharedAccessKey|AccessKey)=([A-Za-z0-9+/]{32,}={0,2})"),
    (
        "SAS signature",
        "sig= sig%3d",
        rf"{_NOT_BEFORE}sig(?:=|%3[Dd])((?:[A-Za-z0-9+/_-]|%[0-9A-Fa-f]{{2}}){{20,}}={{0,2}})",
    ),
    (
        "Azure client secret",
        "q~",
        r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])",
    ),
    ("Azure DevOps token", "azdo", rf"{_NOT_BEFORE}[A-Za-z0-9]{{76}}AZDO[A-Za-z0-9]{{4}}{_NOT_AFTER}"),
    ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{_NOT_BEFORE}gh[pousr]_[A-Za-z0-9]{{36,255}}"),
    ("GitHub token", "github_pat_", rf"{_NOT_BEFORE}github_pat_[A-Za-z0-9_]{{22,255}}"),
    (
        "GitLab token",
        "glpat- glptt- gldt- glrt- glcbt- glsoat- glft- glimt- glagent- gloas-",
        rf"{_NOT_BEFORE}gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent|oas)-[A-Za-z0-9_.-]{{20,}}",
    ),
    ("JSON Web Token", "eyj", rf"{_NOT_BEFORE}eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]{{8,}}"),
    ("Slack token", "xox", rf"{_NOT_BEFORE}xox[abeoprs]-(?:\d-)?[A-Za-z0-9-]{{10,}}"),
    ("Slack token", "xapp-", rf"{_NOT_BEFORE}xapp-\d-[A-Za-z0-9-]{{10,}}"),
    ("Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/]{20,})"),
    ("Google API key", "aiza", rf"{_NOT_BEFORE}AIza[A-Za-z0-9_-]{{35}}(?![A-Za-z0-9_-])"),
    ("Google access token", "ya29.", rf"{_NOT_BEFORE}ya29\.[A-Za-z0-9_-]{{20,}}"),
    ("Google client secret", "gocspx-", rf"{_NOT_BEFORE}GOCSPX-[A-Za-z0-9_-]{{28}}"),
    ("Hugging Face token", "hf_", rf"{_NOT_BEFORE}hf_[A-Za-z0-9]{{34}}{_NOT_AFTER}"),
    (
        "OpenAI key",
        "t3blbkfj",
        rf"{_NOT_BEFORE}sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{{20,}}T3BlbkFJ[A-Za-z0-9_-]{{20,}}",
    ),
    ("Anthropic key", "sk-ant-", rf"{_NOT_BEFORE}sk-ant-[a-z]+\d\d-[A-Za-z0-9_-]{{80,}}"),
    ("Stripe key", "k_live_ k_test_", rf"{_NOT_BEFORE}[rs]k_(?:live|test)_[A-Za-z0-9]{{20,}}"),
    ("Databricks token", "dapi", rf"{_NOT_BEFORE}dapi[0-9a-f]{{32}}(?:-\d)?{_NOT_AFTER}"),
    ("PyPI token", "pypi-age", rf"{_NOT_BEFORE}pypi-AgE[A-Za-z0-9_-]{{50,}}"),
    ("npm token", "npm_", rf"{_NOT_BEFORE}npm_[A-Za-z0-9]{{36}}{_NOT_AFTER}"),
    ("SendGrid key", "sg.", rf"{_NOT_BEFORE}SG\.[A-Za-z0-9_-]{{20,24}}\.[A-Za-z0-9_-]{{39,50}}"),
    ("DigitalOcean token", "_v1_", rf"{_NOT_BEFORE}do[opr]_v1_[a-f0-9]{{64}}{_NOT_AFTER}"),
    ("Vault token", "hvs. hvb. hvr.", rf"{_NOT_BEFORE}hv[sbr]\.[A-Za-z0-9_-]{{24,}}"),
    (
        "password in an address",
        "://",
        rf"{_NOT_BEFORE}[a-z][a-z0-9+.-]+://[^\s/:@\"'<>`]*:{_PLACEHOLDER}([^\s/@\"'<>`]{{3,}})@",
    ),
    (
        "password in a connection string",
        "password pwd",
        r"(?i:(?:server|host(?:name)?|data source|address|uid|user(?: id|name)?|database|driver)\s*=[^\n\"']{0,300}?;"
        rf"\s*(?:password|pwd)\s*=\s*){_PLACEHOLDER}([^;\s\"'<>]{{3,}})",
    ),
    (
        "password in a connection string",
        "password pwd",
        rf"(?i:{_NOT_BEFORE}(?:password|pwd)\s*=\s*){_PLACEHOLDER}([^;\s\"'<>,)]{{3,}})"
        r"(?=;\s*(?i:server|host|data source|database|user|uid|encrypt|driver|port|trusted)[\w ]*=)",
    ),
    (
        "authorization header",
        "authorization",
        r"(?i:authorization[\"']?\s*[:=,]\s*[\"']?(?:bearer|basic|token)\s+)([A-Za-z0-9._~+/-]{16,}={0,2})",
    ),
)
_PATTERNS = tuple((name, tuple(words.split()), re.compile(pattern)) for name, words, pattern in _FORMS)


def find(text: str) -> str:
    """Return the kind of the first credential in a text, such as "GitHub token"; an empty text if there is none.

    Examples
    --------
    >>> find("token: ghp_" + "a1" * 18), find("postgresql://shop:${PASSWORD}@host/shop")
    ('GitHub token', '')
    """
    kinds: list[str] = []

    def note(kind: str) -> str:
        kinds.append(kind)
        return ""

    replace(text, note)
    return kinds[0] if kinds else ""


def replace(text: str, make_replacement: Callable[[str], str]) -> str:
    """Return a text in which each credential is replaced by a function of its kind."""
    lowered = text.lower()
    for kind, words, pattern in _PATTERNS:
        if not any(word in lowered for word in words):
            continue

        def substitute(match: re.Match[str], kind: str = kind) -> str:
            replacement = make_replacement(kind)
            if not match.re.groups:
                return replacement
            start, end = match.start(1) - match.start(), match.end(1) - match.start()
            return f"{match[0][:start]}{replacement}{match[0][end:]}"

        text = pattern.sub(substitute, text)
    return text
