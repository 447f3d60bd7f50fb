"""Errors of networks: private workspaces, proxies and certificates."""

from lib.backends.azureml.known_errors.known_error import KnownError

NETWORK_ERRORS = (
    KnownError(
        "private network",
        r"PublicNetworkAccess ?(is )?Disabled|public (network )?access (is|has been) (disabled|not allowed)|"
        r"denied based on workspace private link|PublicAccessNotPermitted|configure (a )?private endpoint|"
        r"not allowed from public network",
        (),
        "The resource accepts connections from its private network only, and this machine is outside of it.",
        "Run inside the network: over the VPN, on a compute instance of the workspace, or on an agent in the virtual "
        "network. A role does not help.",
    ),
    KnownError(
        "vault firewall",
        r"ForbiddenByFirewall|ForbiddenByConnection|Client address is not authorized and caller is not a trusted",
        (),
        "The firewall of the key vault does not permit this machine.",
        "Run inside the vault's network, or add this machine's address to the vault's firewall.",
    ),
    KnownError(
        "untrusted certificate",
        r"CERTIFICATE_VERIFY_FAILED|self[- ]signed certificate|unable to get (local )?issuer certificate",
        (),
        "The certificate of the connection is not trusted. Usually a company's proxy replaces Azure's certificate.",
        "Set REQUESTS_CA_BUNDLE and SSL_CERT_FILE to a file with the company's certificate authority.",
    ),
    KnownError(
        "proxy login",
        r"Proxy Authentication Required|Tunnel connection failed: 40[37]",
        (),
        "The proxy of this network rejected the connection.",
        "Set https_proxy with a user and password that the proxy accepts, or ask for Azure's hosts to be allowed.",
    ),
)
