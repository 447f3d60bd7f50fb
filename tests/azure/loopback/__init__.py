"""A loopback Azure: what the real SDKs talk to where there is no subscription.

Clients reach it through one CONNECT proxy whose certificates a throw-away authority signs, so they keep Azure's own
host names and know nothing of it. Behind it stand Azurite for the blobs, a real ``mlflow server``, jobs that really run
and endpoints that really serve. Every call is in the journal, and a host or path nobody wrote a route for is refused.
"""

from .cloud import LoopbackAzure

__all__ = ["LoopbackAzure"]
