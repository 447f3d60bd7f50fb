"""The login of the clients of SDK version 1: the service principal."""

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
