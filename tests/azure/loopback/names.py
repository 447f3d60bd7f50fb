"""Names of the tenant, the subscription, the workspace and the hosts of its services."""

TENANT = "99999999-8888-7777-6666-555555555555"
CLIENT = "12121212-3434-5656-7878-909090909090"
CLIENT_SECRET = "loopback-client-secret"
SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
RESOURCE_GROUP = "rg-millrace"
WORKSPACE = "mlw-millrace"
WORKSPACE_ID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
LOCATION = "eastus"
STORAGE_ACCOUNT = "stmillrace"

LOGIN_HOST = "login.microsoftonline.com"
ARM_HOST = "management.azure.com"
API_HOST = f"{LOCATION}.api.azureml.ms"
IDENTITY_PATH = "/msi/token"  # on the machine of a job
BLOB_HOST = f"{STORAGE_ACCOUNT}.blob.core.windows.net"

PROVIDERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"
WORKSPACE_PATH = f"{PROVIDERS}/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
MLFLOW_URI = f"azureml://{API_HOST}/mlflow/v1.0{WORKSPACE_PATH}"

# Containers of the workspace's storage account: for users, run artifacts and snapshots.
BLOBSTORE_CONTAINER = f"azureml-blobstore-{WORKSPACE_ID}"
ARTIFACT_CONTAINER = "azureml"
SNAPSHOT_CONTAINER = "snapshotzips"
