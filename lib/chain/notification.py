"""Notification of people or programs about the end of a run, by a webhook or by e-mail."""

from __future__ import annotations

import datetime
import email.message
import json
import os
import smtplib
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.chain import record as records
from lib.chain import telemetry
from lib.paths import display_path
from lib.secrets import known_values

PASSWORD_VARIABLE = "MILLRACE_SMTP_PASSWORD"
_EVENTS = {records.SUCCEEDED: "success", records.HELD: "gate"}  # every other end is a failure
_TIMEOUT_SECONDS = 20
_SMTP_PORT, _SMTP_TLS_PORT = 587, 465
_MAX_ERROR_CHARACTERS = 2000


def notify(settings: Mapping[str, Any], folder: Path) -> None:
    """Send the notifications about a run that has ended.

    A notification that cannot be sent does not change the result of the run: a line on stderr says why.

    Parameters
    ----------
    settings : mapping
        The parameter ``notify``.
    folder : Path
        The run's folder.
    """
    message = make_message(folder) if settings or os.environ.get(telemetry.VARIABLE) else {}
    if message:
        send_message(settings, message, ["success", "failure", "gate"] if settings else [])


def send_message(settings: Mapping[str, Any], message: Mapping[str, Any], default_events: list[str]) -> None:
    """Send a message to Application Insights, and to the webhook and by e-mail if its event is one of ``on``.

    Parameters
    ----------
    settings : mapping
        The parameter ``notify``; may be empty.
    message : mapping
        JSON types. An e-mail needs ``text``, ``event``, ``name``, ``run``, ``status`` and ``stages``.
    default_events : list of str
        The events to tell if the settings have no ``on``.
    """
    telemetry.send_event(message)
    if message["event"] not in settings.get("on", default_events):
        return
    for kind, send in (("webhook", _call_webhook), ("email", _send_email)):
        if settings.get(kind):
            try:
                send(settings[kind], message)
            except (OSError, ValueError, KeyError, smtplib.SMTPException) as error:
                print(
                    f"notify: the {kind} notification was not sent ({known_values.mask(str(error))}).", file=sys.stderr
                )


def make_message(folder: Path) -> dict[str, Any]:
    """Return the message about a run, as it is posted to a webhook in JSON; docs/cli.md describes each key."""
    state = records.read(folder)
    outputs = {name: value for stage in state["stages"] for name, value in stage.get("outputs", {}).items()}
    ended = state.get("ended", state["started"])
    started_time, ended_time = (datetime.datetime.fromisoformat(text) for text in (state["started"], ended))
    decision, error = outputs.get("decision", ""), state.get("error", "")[:_MAX_ERROR_CHARACTERS]
    run = display_path(folder)
    return {
        "text": ". ".join(filter(None, [f"{state['name']}: {run} {state['status']}", decision or error])),
        "event": _EVENTS.get(state["status"], "failure"),
        "name": state["name"],
        "run": run,
        "status": state["status"],
        "decision": decision,
        "error": error,
        "endpoint_url": outputs.get("endpoint_url", ""),
        "started": state["started"],
        "ended": ended,
        "seconds": (ended_time - started_time).total_seconds(),
        "stages": [
            {"stage": stage["stage"], "status": stage["status"], "seconds": stage.get("seconds", 0)}
            for stage in state["stages"]
        ],
    }


def _call_webhook(address: str, message: Mapping[str, Any]) -> None:
    """POST a message as JSON. An address ``env:NAME`` or ``$NAME`` is read from the environment: it may be secret."""
    if address.startswith(("$", "env:")):
        variable = address.removeprefix("$").removeprefix("env:")
        if not os.environ.get(variable):
            raise ValueError(f"the environment variable {variable} is not set")
        known_values.remember(address, os.environ[variable])
        address = os.environ[variable]
    body = json.dumps(message, ensure_ascii=False).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json; charset=utf-8"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
        pass  # an answer with an error status raises HTTPError


def _send_email(settings: Mapping[str, Any], message: Mapping[str, Any]) -> None:
    """Send a message as an e-mail. The password is read from the environment variable `PASSWORD_VARIABLE`."""
    mail = email.message.EmailMessage()
    mail["Subject"] = f"{message['name']}: {message['run']} {message['status']}"
    mail["From"], mail["To"] = settings["from"], ", ".join(settings["to"])
    stages = [f"{stage['stage']}: {stage['status']}, {stage['seconds']:.1f} s" for stage in message["stages"]]
    mail.set_content("\n".join([message["text"], "", *stages]))
    encryption = settings.get("encryption", "starttls")
    port = settings.get("port") or (_SMTP_TLS_PORT if encryption == "tls" else _SMTP_PORT)
    server: smtplib.SMTP
    if encryption == "tls":
        context = ssl.create_default_context()
        server = smtplib.SMTP_SSL(settings["host"], port, timeout=_TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(settings["host"], port, timeout=_TIMEOUT_SECONDS)
    with server:
        if encryption == "starttls":
            server.starttls(context=ssl.create_default_context())
        if settings.get("user"):
            server.login(settings["user"], os.environ[PASSWORD_VARIABLE])
        server.send_message(mail)
