"""Checks of the parameter ``notify``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lib.errors import suggest

EVENTS = ("success", "failure", "gate", "stable", "look", "act", "too_few_to_say")
_KEYS = ("webhook", "email", "on")
_EMAIL_TYPES: dict[str, type] = {"to": list, "from": str, "host": str, "port": int, "user": str, "encryption": str}
_REQUIRED_EMAIL_KEYS = ("to", "from", "host")
ENCRYPTIONS = ("starttls", "tls", "none")
_VARIABLE = re.compile(r"(\$|env:)[A-Za-z_]\w*")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def notify_faults(notify: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault in the parameter ``notify``.

    Examples
    --------
    >>> notify_faults({"webhook": "https://example.com/hook", "on": ["failure"]})
    []
    >>> notify_faults({"webhook": "https://example.com/hook", "onn": ["failure"]})
    ["there is no key 'onn'. Did you mean 'on'? Known: webhook, email, on."]
    """
    faults = [f"there is no key {key!r}. {suggest(key, _KEYS)}" for key in notify if key not in _KEYS]
    webhook = notify.get("webhook")
    if webhook is not None and not _is_webhook(webhook):
        faults.append(
            f"webhook is {webhook!r}; expected an address that starts with https:// or http://, or env:NAME for "
            "the environment variable that contains the address."
        )
    events = notify.get("on", list(EVENTS))
    if not isinstance(events, list) or not set(map(str, events)) <= set(EVENTS):
        faults.append(f"on is {events!r}; expected a list of {', '.join(EVENTS)}.")
    email = notify.get("email")
    if email is not None:
        faults += _email_faults(email)
    if notify and webhook is None and email is None:
        faults.append("there is neither a webhook nor an email, so nobody would be notified. Add one.")
    return faults


def _is_webhook(value: Any) -> bool:
    return isinstance(value, str) and bool(value.startswith(("https://", "http://")) or _VARIABLE.fullmatch(value))


def _email_faults(email: Any) -> list[str]:
    """Return one sentence for each fault in the key ``email``."""
    if not isinstance(email, Mapping):
        return [f"email is {email!r}; expected a mapping with to, from and host."]
    faults = [f"email has no key {key!r}. {suggest(key, _EMAIL_TYPES)}" for key in email if key not in _EMAIL_TYPES]
    faults += [f"email needs the key {key!r}." for key in _REQUIRED_EMAIL_KEYS if key not in email]
    for key, expected in _EMAIL_TYPES.items():
        value = email.get(key)
        if value is not None and (not isinstance(value, expected) or isinstance(value, bool)):
            faults.append(f"email: {key} is {value!r}; expected a {expected.__name__}.")
    if email.get("encryption", "starttls") not in ENCRYPTIONS:
        faults.append(f"email: encryption is {email['encryption']!r}; expected one of {', '.join(ENCRYPTIONS)}.")
    addresses = email["to"] if isinstance(email.get("to"), list) else []
    for address in [*addresses, *([email["from"]] if isinstance(email.get("from"), str) else [])]:
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            faults.append(f"email: {address!r} is not an e-mail address.")
    return faults
