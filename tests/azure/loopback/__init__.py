"""A local Azure for the real SDKs, without a subscription.

Clients reach it through a CONNECT proxy with certificates of a temporary authority, under Azure's own host names. It
runs Azurite for the blobs, an ``mlflow server``, and a process for each job and deployment. Every call is recorded in
the journal. Unknown hosts and paths are rejected.
"""

from .cloud import LoopbackAzure

__all__ = ["LoopbackAzure"]
