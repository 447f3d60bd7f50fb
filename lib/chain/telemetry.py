"""Events in Azure Application Insights, on which the alerts of infra/alerts.tf are based.

They are sent if the environment variable APPLICATIONINSIGHTS_CONNECTION_STRING is set, as Azure's own exporters do.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from lib.secrets import known_values

VARIABLE = "APPLICATIONINSIGHTS_CONNECTION_STRING"
EVENT_NAME = "millrace"
_DEFAULT_ENDPOINT = "https://dc.services.visualstudio.com"
_MAX_TEXT_CHARACTERS = 8192  # of a property; Application Insights cuts longer ones
_TIMEOUT_SECONDS = 20


def send_event(message: Mapping[str, Any]) -> bool:
    """Send the outcome of a run or of monitoring as an event; return whether it was sent.

    An event that cannot be sent does not change the result of the run: a line on stderr says why.

    Parameters
    ----------
    message : mapping
        ``event``, ``name``, ``run``, ``status`` and ``text``, as a webhook gets them.
    """
    connection = os.environ.get(VARIABLE, "")
    if not connection:
        return False
    try:
        parts = _read_connection_string(connection)
        key = parts["instrumentationkey"]
        known_values.remember(VARIABLE, key)
        _post(f"{parts.get('ingestionendpoint', _DEFAULT_ENDPOINT).rstrip('/')}/v2/track", _envelope(message, key))
    except (OSError, ValueError, KeyError) as error:
        print(f"{VARIABLE}: the event was not sent ({known_values.mask(str(error))}).", file=sys.stderr)
        return False
    return True


def _read_connection_string(text: str) -> dict[str, str]:
    """Return the parts of a connection string by their names in lower case.

    Examples
    --------
    >>> _read_connection_string("InstrumentationKey=1;IngestionEndpoint=https://in.example.com/")
    {'instrumentationkey': '1', 'ingestionendpoint': 'https://in.example.com/'}
    """
    parts = {name.strip().lower(): value.strip() for name, _, value in (p.partition("=") for p in text.split(";") if p)}
    if not parts.get("instrumentationkey"):
        raise ValueError("it has no InstrumentationKey; copy the connection string from the resource's overview")
    return parts


def _envelope(message: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return an event in the format of the track API."""
    properties = {
        "event": message["event"],
        "use_case": message["name"],
        "run": message["run"],
        "status": message["status"],
        "text": message["text"][:_MAX_TEXT_CHARACTERS],
    }
    return {
        "name": "Microsoft.ApplicationInsights.Event",
        "time": datetime.datetime.now(datetime.UTC).isoformat(),
        "iKey": key,
        "data": {"baseType": "EventData", "baseData": {"ver": 2, "name": EVENT_NAME, "properties": properties}},
    }


def _post(url: str, envelope: Mapping[str, Any]) -> None:
    """Send an event, and raise a ValueError if the service did not accept it."""
    request = urllib.request.Request(url, json.dumps(envelope).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # an error status raises HTTPError
        reply = json.loads(response.read())
    if reply.get("itemsAccepted") != 1:
        raise ValueError(f"Application Insights accepted {reply.get('itemsAccepted')} of 1: {reply.get('errors')}")
