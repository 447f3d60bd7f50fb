"""A temporary certificate authority, and one certificate for all hosts of the loopback Azure."""

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import names

HOSTS = [
    names.LOGIN_HOST,
    names.ARM_HOST,
    names.API_HOST,
    "*.blob.core.windows.net",
    f"*.{names.LOCATION}.inference.ml.azure.com",
    "dc.services.visualstudio.com",
    "dc.applicationinsights.azure.com",
    "*.in.applicationinsights.azure.com",
    "*.livediagnostics.monitor.azure.com",
    "settings.sdk.monitor.azure.com",
]


def make(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Create the authority's certificate, which clients trust, and the TLS context of the proxy."""
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = name("Loopback Azure")

    def signed(subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: tuple[x509.ExtensionType, bool]):
        builder = x509.CertificateBuilder(
            authority, subject, key.public_key(), x509.random_serial_number(), start, start + datetime.timedelta(days=7)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority_key, hashes.SHA256())

    authority_identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    root = signed(
        authority,
        authority_key,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True),
        (authority_identifier, False),
    )
    leaf = signed(
        name("loopback"),
        server_key,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_identifier), False),
    )
    root_file, server_file = folder / "authority.pem", folder / "server.pem"
    root_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    private = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server_file.touch(mode=0o600)
    server_file.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    return root_file, context


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
