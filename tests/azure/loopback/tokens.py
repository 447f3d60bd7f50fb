"""The tokens that the directory gives out, and whether one is good."""

import base64
import json
import time
import uuid

from . import names


class Tokens:
    """Unsigned: clients look at their expiry, and here they are compared with those given out."""

    def __init__(self) -> None:
        self.lifetime_seconds = 24 * 3600
        self.good_until: dict[str, float] = {}

    def issue(self, audience: str, lifetime_seconds: float | None = None) -> str:
        now = int(time.time())
        until = now + int(lifetime_seconds or self.lifetime_seconds)
        claims = {
            "aud": audience, "iss": f"https://sts.windows.net/{names.TENANT}/", "tid": names.TENANT,
            "oid": names.CLIENT, "appid": names.CLIENT, "jti": uuid.uuid4().hex, "iat": now, "nbf": now, "exp": until,
        }  # fmt: skip
        token = ".".join((part({"typ": "JWT", "alg": "RS256", "kid": "loopback"}), part(claims), "c2lnbmF0dXJl"))
        self.good_until[token] = until
        return token

    def good(self, token: str) -> bool:
        return self.good_until.get(token, 0) > time.time()

    def expire_all(self) -> None:
        """Let every token given out so far be refused from now on."""
        self.good_until.clear()


def part(content: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
