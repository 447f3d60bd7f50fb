"""The blob service: Azurite, with what it lacks, the tokens of the directory, put in front."""

from .. import names
from ..faults import storage_error
from ..messages import Call, Reply
from ..routing import Routes

routes = Routes("{account}.blob.core.windows.net")


@routes.on("GET HEAD PUT POST DELETE OPTIONS", "/{path:path}")
def blob(azure, call: Call, account: str, path: str) -> Reply:
    if account != names.STORAGE_ACCOUNT:
        return storage_error(404, "ResourceNotFound", f"no storage account {account}")
    if not azure.store.shared_key_access and call.headers.get("authorization", "").startswith("SharedKey"):
        return storage_error(403, "KeyBasedAuthenticationNotPermitted", "key based authentication is not permitted")
    if not call.bearer:
        return azure.blobs.forward(call.method, call.target, call.headers, call.body)
    if not azure.tokens.good(call.bearer):
        return storage_error(401, "InvalidAuthenticationInfo", "the token is not valid, or no longer")
    # Azurite takes tokens over https only, so who holds a good one goes on with the account's own rights.
    headers = {name: value for name, value in call.headers.items() if name != "authorization"}
    target = call.target + ("&" if "?" in call.target else "?") + azure.blobs.account_sas()
    return azure.blobs.forward(call.method, target, headers, call.body)
