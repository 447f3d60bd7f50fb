"""Resources of the subscription: machine sizes, quotas, permissions and the storage account."""

from .. import names
from ..messages import Call, Reply, not_found, reply
from ..routing import Routes

routes = Routes(names.ARM_HOST)
PLACE = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
STORAGE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}"

# Name, family, cores, GPUs and memory in GB.
SIZES = (
    ("Standard_DS3_v2", "standardDSv2Family", 4, 0, 14),
    ("Standard_D4s_v3", "standardDSv3Family", 4, 0, 16),
    ("Standard_NC6", "standardNCFamily", 6, 1, 56),
    ("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 1, 28),
    ("Standard_NC6s_v3", "standardNCSv3Family", 6, 1, 112),
)
LOW_PRIORITY = "TotalLowPriorityCores"


@routes.on("GET", PLACE + "/vmSizes")
def sizes(azure, call: Call, subscription: str, location: str) -> Reply:
    return reply({"value": [
        {
            "name": name, "family": family, "vCPUs": cores, "gpus": gpus, "memoryGB": memory, "osVhdSizeMB": 1047552,
            "maxResourceVolumeMB": 180224, "lowPriorityCapable": True, "premiumIO": False,
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"], "estimatedVMPrices": None,
        }
        for name, family, cores, gpus, memory in SIZES
    ]})  # fmt: skip


@routes.on("GET", PLACE + "/usages")
def usages(azure, call: Call, subscription: str, location: str) -> Reply:
    limits = {family: 100 for _, family, *_ in SIZES} | {LOW_PRIORITY: 100} | azure.store.core_limits
    return reply({"value": [
        {
            "id": f"{call.path}/{name}", "type": "Microsoft.MachineLearningServices/usages", "unit": "Count",
            "amlWorkspaceLocation": names.LOCATION, "currentValue": 0, "limit": limit,
            "name": {"value": name, "localizedValue": name},
        }
        for name, limit in limits.items()
    ]})  # fmt: skip


@routes.on("GET", "/subscriptions/{subscription}/{scope:path}/providers/Microsoft.Authorization/permissions")
def permissions(azure, call: Call, subscription: str, scope: str) -> Reply:
    """Permit every action except those that a test denies."""
    denied = azure.store.denied_actions
    rights = {"actions": ["*"], "notActions": denied, "dataActions": ["*"], "notDataActions": denied}
    return reply({"value": [rights]})


@routes.on("GET", STORAGE)
def account(azure, call: Call, subscription: str, group: str, account: str) -> Reply:
    if account != names.STORAGE_ACCOUNT:
        raise not_found(f"The Resource 'Microsoft.Storage/storageAccounts/{account}' was not found.")
    return reply({
        "id": f"{names.PROVIDERS}/Microsoft.Storage/storageAccounts/{account}", "name": account, "kind": "StorageV2",
        "location": names.LOCATION, "type": "Microsoft.Storage/storageAccounts", "sku": {"name": "Standard_LRS"},
        "properties": {
            "provisioningState": "Succeeded", "allowSharedKeyAccess": azure.store.shared_key_access,
            "publicNetworkAccess": "Enabled", "supportsHttpsTrafficOnly": True, "minimumTlsVersion": "TLS1_2",
            "networkAcls": {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": []},
            "primaryEndpoints": {"blob": f"https://{names.BLOB_HOST}/"},
        },
    })  # fmt: skip
