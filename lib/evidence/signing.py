"""Signatures with a key that the customer holds: in-toto statements in DSSE envelopes, in Sigstore bundles.

The bundle of a model has the layout that OpenSSF's ``model_signing verify key`` reads. Formats:
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://github.com/secure-systems-lab/dsse and
https://github.com/sigstore/model-transparency.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from lib.errors import ParameterError
from lib.evidence import verifier

_STATEMENT = "https://in-toto.io/Statement/v1"
_MODEL_PREDICATE = "https://model_signing/signature/v1.0"
_MANIFEST_PREDICATE = "urn:millrace:run-manifest:v1"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_CURVE = "secp256r1"


class Signer(Protocol):
    """A signer with an ECDSA key on the curve P-256.

    Attributes
    ----------
    public_key_pem : bytes
        The public key, as the PEM text of a SubjectPublicKeyInfo.
    """

    public_key_pem: bytes

    def sign(self, content: bytes) -> bytes:
        """Return the ECDSA signature of the content's SHA-256, in DER."""


class KeySigner:
    """A signer with a private key.

    Parameters
    ----------
    private_key_pem : bytes
        The private key in PEM, not encrypted.
    source : str
        Where the key comes from, for messages.

    Raises
    ------
    ParameterError
        If it is no private key on the curve P-256.
    """

    def __init__(self, private_key_pem: bytes, source: str):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            key = serialization.load_pem_private_key(private_key_pem, password=None)
        except (ValueError, TypeError) as error:
            raise ParameterError(f"signing_key: {source} contains no private key in PEM that can be read.") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != _CURVE:
            raise ParameterError(
                f"signing_key: {source} contains a key of another kind; expected ECDSA on the curve P-256. Make one: "
                "openssl ecparam -name prime256v1 -genkey -noout -out signing.pem"
            )
        self._key = key
        self.public_key_pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, content: bytes) -> bytes:
        """Return the ECDSA signature of the content's SHA-256, in DER."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return self._key.sign(content, ec.ECDSA(hashes.SHA256()))


def sign_manifest(manifest: bytes, run: str, signer: Signer) -> bytes:
    """Return the signature of a run's manifest, as the JSON text of a bundle.

    Parameters
    ----------
    manifest : bytes
        Content of ``manifest.json``.
    run : str
        Name of the run's folder.
    signer : Signer
    """
    digest = hashlib.sha256(manifest).hexdigest()
    return _make_bundle(_make_statement(verifier.MANIFEST, digest, _MANIFEST_PREDICATE, {"run": run}), signer)


def sign_model(folder: Path, name: str, signer: Signer) -> bytes:
    """Return the signature of all files of a model folder, as ``model_signing verify key`` reads it.

    Parameters
    ----------
    folder : Path
        The model folder.
    name : str
        Name of the model.
    signer : Signer
    """
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    digests = [verifier.hash_file(folder / file) for file in files]
    predicate = {
        "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []},
        "resources": [
            {"name": file, "algorithm": "sha256", "digest": digest} for file, digest in zip(files, digests, strict=True)
        ],
    }
    root_digest = hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()
    return _make_bundle(_make_statement(name, root_digest, _MODEL_PREDICATE, predicate), signer)


def sign_entry(entry: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """Return an entry of the ledger with its signature, which covers all its other fields."""
    return {**entry, "signature": base64.b64encode(signer.sign(verifier.canonical_json(entry))).decode()}


def _make_statement(name: str, sha256: str, predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_type": _STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def _make_bundle(statement: Mapping[str, Any], signer: Signer) -> bytes:
    payload = verifier.canonical_json(statement)
    signature = signer.sign(verifier.pre_authentication_encoding(payload))
    bundle = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": hashlib.sha256(signer.public_key_pem).hexdigest()},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": verifier.PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, indent=1).encode()
