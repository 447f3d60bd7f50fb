"""The identity of a cluster, as its jobs ask for its tokens: on their own machine, past the proxy."""

from .. import names
from ..messages import Call, Refused, Reply, reply
from ..routing import Routes

routes = Routes("127.0.0.1")


@routes.on("GET", names.IDENTITY_PATH)
def token(azure, call: Call) -> Reply:
    """A token for who knows the secret that the job was given."""
    if call.headers.get("secret") not in azure.identity_secrets:
        raise Refused(401, "Unauthorized", "not the secret of a job here")
    issued = azure.tokens.issue(call.query["resource"])
    until = str(int(azure.tokens.good_until[issued]))
    return reply({
        "access_token": issued, "expires_on": until, "resource": call.query["resource"], "token_type": "Bearer",
        "client_id": call.query.get("clientid"),
    })  # fmt: skip
