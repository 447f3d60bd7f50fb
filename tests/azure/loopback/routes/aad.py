"""Microsoft Entra ID: logins and tokens."""

from urllib.parse import parse_qs

from .. import names
from ..messages import Call, Reply, reply
from ..routing import Routes

routes = Routes(names.LOGIN_HOST)


@routes.on("GET", "/{tenant}/v2.0/.well-known/openid-configuration")
def configuration(azure, call: Call, tenant: str) -> Reply:
    base = f"https://{names.LOGIN_HOST}/{tenant}"
    return reply({
        "token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "issuer": f"{base}/v2.0", "jwks_uri": f"{base}/discovery/v2.0/keys", "tenant_region_scope": "NA",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
    })  # fmt: skip


@routes.on("GET", "/{tenant}/discovery/instance")
def instance(azure, call: Call, tenant: str) -> Reply:
    endpoint = f"https://{names.LOGIN_HOST}/{names.TENANT}/v2.0/.well-known/openid-configuration"
    aliases = [names.LOGIN_HOST, "login.windows.net", "login.microsoft.com", "sts.windows.net"]
    network = {"preferred_network": names.LOGIN_HOST, "preferred_cache": "login.windows.net", "aliases": aliases}
    return reply({"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": [network]})


@routes.on("POST", "/{tenant}/oauth2/v2.0/token", "/{tenant}/oauth2/token")
def token(azure, call: Call, tenant: str) -> Reply:
    form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
    if tenant != names.TENANT:
        return denied("invalid_request", 90002, f"Tenant '{tenant}' not found.")
    if form.get("client_id") != names.CLIENT:
        return denied("unauthorized_client", 700016, f"Application '{form.get('client_id')}' was not found.")
    # A federated identity sends a signed assertion instead of a secret.
    if not form.get("client_assertion") and form.get("client_secret") != names.CLIENT_SECRET:
        return denied("invalid_client", 7000215, "Invalid client secret provided.")
    audience = (form.get("scope") or form.get("resource") or "").removesuffix("/.default")
    seconds = int(azure.tokens.lifetime_seconds)
    return reply({
        "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "resource": audience,
        "access_token": azure.tokens.issue(audience),
    })  # fmt: skip


def denied(error: str, number: int, message: str) -> Reply:
    status = 401 if error == "invalid_client" else 400
    return reply({"error": error, "error_description": f"AADSTS{number}: {message}", "error_codes": [number]}, status)
