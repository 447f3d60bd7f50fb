"""Access tokens."""

import base64
import json
import time
import uuid

from . import names


class Tokens:
    """The issued tokens. They are unsigned: clients read only their expiry."""

    def __init__(self) -> None:
        self.lifetime_seconds = 24 * 3600
        self.valid_until: dict[str, float] = {}

    def issue(self, audience: str, lifetime_seconds: float | None = None) -> str:
        now = int(time.time())
        until = now + int(lifetime_seconds or self.lifetime_seconds)
        claims = {
            "aud": audience, "iss": f"https://sts.windows.net/{names.TENANT}/", "tid": names.TENANT,
            "oid": names.CLIENT, "appid": names.CLIENT, "jti": uuid.uuid4().hex, "iat": now, "nbf": now, "exp": until,
        }  # fmt: skip
        token = ".".join((part({"typ": "JWT", "alg": "RS256", "kid": "loopback"}), part(claims), "c2lnbmF0dXJl"))
        self.valid_until[token] = until
        return token

    def is_valid(self, token: str) -> bool:
        return self.valid_until.get(token, 0) > time.time()

    def expire_all(self) -> None:
        """Invalidate all issued tokens."""
        self.valid_until.clear()


def part(content: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
