"""Secrets and keys of the key vault that belongs to the workspace."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from lib.backends.azureml.error_translation import is_not_found, translate_error, translate_errors
from lib.backends.azureml.seams import Workspace
from lib.errors import ParameterError

_VAULT_DOMAIN, _API_VERSION = "vault.azure.net", "7.4"
_VAULT_SCOPE = f"https://{_VAULT_DOMAIN}/.default"
_TIMEOUT_SECONDS = 60


def read_secret(workspace: Workspace, name: str) -> str:
    """Return the secret with a name.

    https://learn.microsoft.com/azure/machine-learning/how-to-use-secrets-in-runs

    Parameters
    ----------
    workspace : seams.Workspace
    name : str

    Raises
    ------
    ParameterError
        If the vault has no such secret.
    """
    with translate_errors(f"read the secret {name} of the key vault"):
        secret = workspace.read_secret(name)
    if not secret:
        raise ParameterError(
            f"keyvault:{name}: the key vault of the workspace {workspace.name} has no secret of this name. Add it with "
            f"az keyvault secret set --vault-name VAULT --name {name} --value ..., and run again."
        )
    return str(secret)


class VaultSigner:
    """A signer with a key of the workspace's key vault; the vault signs, so that nobody else has the key.

    https://learn.microsoft.com/rest/api/keyvault/keys/sign/sign

    Parameters
    ----------
    workspace : seams.Workspace
    credential : TokenCredential
    name : str
        Name of an EC key on the curve P-256.

    Attributes
    ----------
    public_key_pem : bytes
        The public key in PEM.

    Raises
    ------
    ParameterError
        If the vault has no such key, or it is of another kind.
    """

    def __init__(self, workspace: Workspace, credential: Any, name: str):
        self._credential = credential
        self._name = name
        vault = workspace.key_vault_id.rpartition("/")[2]
        self._address = f"https://{vault}.{_VAULT_DOMAIN}"
        key = self._call("GET", f"{self._address}/keys/{name}")["key"]
        self._key_address = key["kid"]
        self.public_key_pem = _read_public_key(key, name)

    def sign(self, content: bytes) -> bytes:
        """Return the ECDSA signature of the content's SHA-256, in DER."""
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        body = {"alg": "ES256", "value": _encode(hashlib.sha256(content).digest())}
        raw = _decode(self._call("POST", f"{self._key_address}/sign", body)["value"])
        r, s = (int.from_bytes(half, "big") for half in (raw[: len(raw) // 2], raw[len(raw) // 2 :]))
        return encode_dss_signature(r, s)

    def _call(self, method: str, address: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        """Send a request to the vault and return the answer."""
        import requests

        try:
            token = self._credential.get_token(_VAULT_SCOPE).token
            response = requests.request(
                method,
                f"{address}?api-version={_API_VERSION}",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_SECONDS,
            )
            response.raise_for_status()
        except Exception as error:
            if is_not_found(error):
                raise ParameterError(
                    f"signing_key: the key vault {self._address} has no key {self._name}. Create it: az keyvault key "
                    f"create --vault-name VAULT --name {self._name} --kty EC --curve P-256"
                ) from error
            raise translate_error(error, f"sign with the key {self._name} of the key vault") from error
        return response.json()


def _read_public_key(key: dict[str, str], name: str) -> bytes:
    """Return the public key of a JSON Web Key in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if key.get("crv") != "P-256":
        raise ParameterError(f"signing_key: the key {name} of the key vault is of another kind; expected EC on P-256.")
    x, y = (int.from_bytes(_decode(key[axis]), "big") for axis in ("x", "y"))
    public_key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
