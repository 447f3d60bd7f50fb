"""The managed identity of a cluster, which jobs use on their own machine without the proxy."""

from .. import names
from ..messages import Call, ErrorReply, Reply, reply
from ..routing import Routes

routes = Routes("127.0.0.1")


@routes.on("GET", names.IDENTITY_PATH)
def token(azure, call: Call) -> Reply:
    """Issue a token to a job that sends its secret."""
    if call.headers.get("secret") not in azure.identity_secrets:
        raise ErrorReply(401, "Unauthorized", "not the secret of a job here")
    issued = azure.tokens.issue(call.query["resource"])
    until = str(int(azure.tokens.valid_until[issued]))
    return reply({
        "access_token": issued, "expires_on": until, "resource": call.query["resource"], "token_type": "Bearer",
        "client_id": call.query.get("clientid"),
    })  # fmt: skip
