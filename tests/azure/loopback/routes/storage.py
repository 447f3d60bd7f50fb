"""The blob service: Azurite, extended by the check of access tokens."""

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
    if not azure.tokens.is_valid(call.bearer):
        return storage_error(401, "InvalidAuthenticationInfo", "the token is not valid, or no longer")
    # Azurite accepts tokens only over https, so a valid token is replaced by an account signature.
    headers = {name: value for name, value in call.headers.items() if name != "authorization"}
    target = call.target + ("&" if "?" in call.target else "?") + azure.blobs.account_sas()
    return azure.blobs.forward(call.method, target, headers, call.body)
