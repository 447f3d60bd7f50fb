"""Errors of the storage account; see https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes."""

from lib.backends.azureml.known_errors.known_error import OPERATION_WAITS, SHORT_WAITS, KnownError
from lib.errors import DataError

_DENIED = "The storage account denied access to this identity."
_DENIED_STEP = (
    "Assign it the role Storage Blob Data Contributor on the account (infra/ does), make sure that the account's "
    "network rules allow this machine, and wait a few minutes until a new role takes effect."
)

STORAGE_ERRORS = (
    KnownError(
        "disabled storage account",
        r"AccountIsDisabled|account being accessed (is disabled|does not support)|KeyVaultEncryptionKeyNotFound",
        (),
        "The storage account is disabled, or its encryption key is gone.",
        "Ask the account's owner: the subscription may be disabled, or the key was deleted in the key vault.",
        DataError,
    ),
    KnownError(
        "wrong clock or signature",
        r"RequestTimeTooSkewed|AuthenticationFailed.*(signature|formed correctly)|Signature not valid in the specified "
        r"time frame|Signature did not match",
        (),
        "The signature of the request is not valid, or this machine's clock is wrong.",
        "Synchronize the clock (ntp), and run again; a signed link is valid for an hour only.",
        DataError,
    ),
    KnownError(
        "storage access denied",
        r"AuthorizationPermissionMismatch|AuthorizationFailure|KeyBasedAuthenticationNotPermitted|InsufficientAccountPerm|"
        r"StreamAccess\.(Authentication|Permission)|blob\.core\.|NoIdentityFound|StorageAuthError",
        (401, 403),
        _DENIED,
        _DENIED_STEP,
        DataError,
    ),
    KnownError(
        "storage access denied",
        r"AuthorizationPermissionMismatch|KeyBasedAuthenticationNotPermitted|Key based authentication is not permitted|"
        r"StreamAccess\.(Authentication|Permission)|No identity was found on compute|StorageAuthError",
        (),
        _DENIED,
        _DENIED_STEP,
        DataError,
    ),
    KnownError(
        "locked blob",
        r"LeaseAlreadyPresent|LeaseIdMissing|There is (already|currently) a lease",
        (),
        "Another run holds the lock of this file, and waiting for ten minutes did not help.",
        "Wait until that run has finished, and run again.",
        waits=OPERATION_WAITS,
    ),
    KnownError(
        "container being deleted",
        r"ContainerBeingDeleted",
        (),
        "The blob container of this name is being deleted, and several retries did not help.",
        "Run again in a few minutes, or set another container.",
        waits=SHORT_WAITS,
    ),
    KnownError(
        "file not found",
        r"StreamAccess\.?(Exception)?\.?NotFound|BlobNotFound|ContainerNotFound|PathNotFound|"
        r"Found no resources for the input|DataNotFound",
        (),
        "The file or blob container does not exist.",
        "Correct the path in the parameter data, or run the stage that writes the file.",
        DataError,
    ),
    KnownError(
        "busy storage",
        r"ServerBusy|OperationTimedOut|EgressIsOverAccountLimit|IngressIsOverAccountLimit",
        (),
        "The storage account is busy, and several retries did not help.",
        "Run again in a few minutes, with fewer notebooks at once (max_nodes).",
        waits=SHORT_WAITS,
    ),
)
