"""Errors of the subscription: policies, locks, registrations and permissions."""

from lib.backends.azureml.known_errors.known_error import KnownError

_VAULT_DENIED = "This identity may not read the key vault."
_VAULT_STEP = "Assign it the role Key Vault Secrets User on the vault (Key Vault Crypto User for a signing key)."

ACCESS_ERRORS = (
    KnownError(
        "policy",
        r"RequestDisallowedByPolicy|disallowed by (azure )?policy|PolicyViolation|RequestDisallowedByAzure",
        (),
        "A policy of the subscription forbids this resource or one of its settings.",
        "Read the policy's name in the message. Change the setting (in infra/ or the parameters), or ask the "
        "subscription's owner for an exemption.",
    ),
    KnownError(
        "locked",
        r"ScopeLocked|following scope\(s\) are locked",
        (),
        "A lock on the resource or its resource group forbids the change.",
        "Ask an owner to remove the lock for the time of the change. infra/ locks prod on purpose.",
    ),
    KnownError(
        "unregistered provider",
        r"SubscriptionNotRegistered|MissingSubscriptionRegistration|not registered to use namespace|"
        r"not registered to use microsoft\.|NoRegisteredProviderFound|MissingRegistration",
        (),
        "The subscription is not registered for a service that Azure ML needs.",
        "Register the namespace in the message: az provider register --namespace NAMESPACE (for example "
        "Microsoft.MachineLearningServices or Microsoft.PolicyInsights), and wait some minutes.",
    ),
    KnownError(
        "disabled subscription",
        r"ReadOnlyDisabledSubscription|SubscriptionIsDisabled|subscription '?[\w-]* ?'?is disabled|"
        r"DisabledSubscription|spending limit",
        (),
        "The subscription is disabled: it has reached its spending limit, or a bill is not paid.",
        "Ask the subscription's owner to enable it in the Azure portal.",
    ),
    KnownError(
        "soft-deleted resource",
        r"soft-?deleted|wsoftdelete|deleted but recoverable",
        (),
        "A deleted resource of this name can still be restored, so the name is taken.",
        "Restore or purge it (Azure portal: Manage deleted resources), or choose another name.",
    ),
    KnownError(
        "vault access denied",
        r"ForbiddenByRbac|ForbiddenByPolicy|does not have secrets? (get|list|set) permission|"
        r"Caller is not authorized to perform action on resource",
        (),
        _VAULT_DENIED,
        _VAULT_STEP,
    ),
    KnownError(
        "vault access denied",
        r"vault\.azure\.net",
        (403,),
        _VAULT_DENIED,
        _VAULT_STEP,
    ),
    KnownError(
        "linked resource",
        r"LinkedAuthorizationFailed|LinkedAccessCheckFailed",
        (),
        "This identity may change the resource, but may not use another one that it refers to.",
        "Assign it a role on the linked scope in the message; for an identity, Managed Identity Operator.",
    ),
)
