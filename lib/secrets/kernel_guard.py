"""A guard in a notebook's kernel: resolved secrets never leave it in an output, and never appear in a figure."""

from __future__ import annotations

import sys
from typing import Any

from lib.secrets import redaction

_OUTPUT_MESSAGES = ("stream", "display_data", "update_display_data", "execute_result", "error", "execute_reply")
_GUARDED = "_millrace_guarded"


def install() -> None:
    """Redact all outputs and figures of this kernel from now on; outside a kernel, do nothing."""
    kernel = getattr(_find_shell(), "kernel", None)
    if kernel is not None and not hasattr(kernel.session, _GUARDED):
        guard_messages(kernel.session)
        guard_figures()


def _find_shell() -> Any:
    module = sys.modules.get("IPython.core.getipython")
    return module.get_ipython() if module else None


def guard_messages(session: Any) -> None:
    """Redact the content of each message that the session sends."""
    send = session.send

    def send_redacted(stream: Any, msg_or_type: Any, content: Any = None, *arguments: Any, **options: Any) -> Any:
        is_message = isinstance(msg_or_type, dict)
        kind = msg_or_type.get("msg_type", "") if is_message else msg_or_type
        if kind in _OUTPUT_MESSAGES:
            if is_message:
                msg_or_type = {**msg_or_type, "content": _redact_content(msg_or_type["content"])}
            else:
                content = _redact_content(content)
        return send(stream, msg_or_type, content, *arguments, **options)

    session.send = send_redacted
    setattr(session, _GUARDED, True)


def _redact_content(content: Any) -> Any:
    """Redact the texts of a message; images stay as they are."""
    if not isinstance(content, dict):
        return content
    if isinstance(data := content.get("data"), dict):
        texts = {kind: value for kind, value in data.items() if not is_binary(kind)}
        return {**content, "data": {**data, **redaction.redact_value(texts)[0]}}
    return redaction.redact_value(content)[0]


def is_binary(kind: str) -> bool:
    """Return whether data of a MIME type is binary, in base64, rather than text.

    >>> is_binary("image/png"), is_binary("image/svg+xml"), is_binary("text/html")
    (True, False, False)
    """
    return kind.startswith(("image/", "audio/", "video/", "application/pdf")) and not kind.endswith("+xml")


def guard_figures() -> None:
    """Redact texts when they are put into a matplotlib figure, because no search can read an image."""
    from matplotlib.text import Text

    if hasattr(Text, _GUARDED):
        return
    set_text = Text.set_text

    def set_redacted_text(text: Text, content: object) -> None:
        if isinstance(content, str):
            content, secrets = redaction.redact(content)
            if secrets:
                # The chain finds this line in the cell's output and fails the run.
                print(f"A figure contained a secret: {content}", file=sys.stderr)
        set_text(text, content)

    Text.set_text = set_redacted_text  # type: ignore[method-assign, assignment]
    setattr(Text, _GUARDED, True)
