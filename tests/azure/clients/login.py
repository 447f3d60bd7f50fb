"""Signed in as the service principal, as every client of the SDK's version 1 here."""

import os

from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication


def connect() -> Workspace:
    auth = ServicePrincipalAuthentication(
        os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"]
    )
    return Workspace.get(
        os.environ["LOOPBACK_WORKSPACE"],
        auth=auth,
        subscription_id=os.environ["LOOPBACK_SUBSCRIPTION"],
        resource_group=os.environ["LOOPBACK_RESOURCE_GROUP"],
    )
