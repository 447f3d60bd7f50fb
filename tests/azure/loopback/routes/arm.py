"""Azure Resource Manager: the subscription, the workspace and the cloud's endpoints."""

from .. import names
from ..messages import Call, Reply, page, reply
from ..routing import Routes

routes = Routes(names.ARM_HOST)


@routes.on("GET", "/subscriptions")
def subscriptions(azure, call: Call) -> Reply:
    return page([{
        "id": f"/subscriptions/{names.SUBSCRIPTION}", "subscriptionId": names.SUBSCRIPTION, "tenantId": names.TENANT,
        "displayName": "loopback", "state": "Enabled",
    }])  # fmt: skip


@routes.on("GET", "{WS}")
def workspace(azure, call: Call) -> Reply:
    return reply({
        "id": names.WORKSPACE_PATH, "name": names.WORKSPACE, "location": names.LOCATION, "tags": {},
        "type": "Microsoft.MachineLearningServices/workspaces", "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {"type": "SystemAssigned", "principalId": names.WORKSPACE_ID, "tenantId": names.TENANT},
        "properties": {
            "workspaceId": names.WORKSPACE_ID, "friendlyName": names.WORKSPACE, "description": "",
            "creationTime": "2026-01-01T00:00:00Z", "provisioningState": "Succeeded", "hbiWorkspace": False,
            "v1LegacyMode": False, "publicNetworkAccess": "Enabled",
            "storageAccount": f"{names.PROVIDERS}/Microsoft.Storage/storageAccounts/{names.STORAGE_ACCOUNT}",
            "keyVault": f"{names.PROVIDERS}/Microsoft.KeyVault/vaults/kv-millrace",
            "applicationInsights": f"{names.PROVIDERS}/Microsoft.Insights/components/appi-millrace",
            "containerRegistry": f"{names.PROVIDERS}/Microsoft.ContainerRegistry/registries/crmillrace",
            "discoveryUrl": f"https://{names.API_HOST}/discovery", "mlFlowTrackingUri": names.MLFLOW_URI,
        },
    })  # fmt: skip


@routes.on("GET", "/metadata/endpoints")
def clouds(azure, call: Call) -> Reply:
    login = {
        "loginEndpoint": f"https://{names.LOGIN_HOST}/", "tenant": "common", "identityProvider": "AAD",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
    }  # fmt: skip
    suffixes = {
        "storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "acrLoginServer": "azurecr.io",
        "sqlServerHostname": "database.windows.net", "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
    }  # fmt: skip
    return reply([{
        "name": "AzureCloud", "portal": "https://portal.azure.com", "authentication": login, "suffixes": suffixes,
        "resourceManager": f"https://{names.ARM_HOST}/", "graph": "https://graph.windows.net/",
        "graphAudience": "https://graph.windows.net/", "gallery": "https://gallery.azure.com/",
        "batch": "https://batch.core.windows.net/", "media": "https://rest.media.azure.net", "vmImageAliasDoc": "",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
    }])  # fmt: skip
