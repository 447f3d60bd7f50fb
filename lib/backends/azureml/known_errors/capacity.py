"""Errors of machines: capacity, quota, sizes, eviction and clusters."""

from lib.backends.azureml.known_errors.known_error import CAPACITY_WAITS, DOCTOR, SHORT_WAITS, KnownError
from lib.errors import InputError

CAPACITY_ERRORS = (
    KnownError(
        "size not offered",
        r"NotAvailableForSubscription|InvalidVmSize|VMSizeNotSupported|(vm ?size|size) .*(is not (supported|valid)|not "
        r"offered)|LocationNotAvailableForResourceType|Low Priority is not supported",
        (),
        "This subscription or region does not offer the machine size.",
        f"Choose another gpu_vm_size or endpoint_instance_type; `{DOCTOR}` lists sizes of the region. A sponsored or "
        "student subscription offers few.",
        InputError,
    ),
    KnownError(
        "capacity",
        r"OutOfCapacity|Out of capacity|AllocationFailed|OverconstrainedAllocationRequest|SkuNotAvailable|"
        r"(insufficient|sufficient|not enough|no available) capacity|ERR_1101|currently not available in location",
        (),
        "Azure has no free machine of this size in the region at the moment. This is no question of quota, and "
        "waiting for half an hour did not help.",
        "Run again later, or choose another size (gpu_vm_size, endpoint_instance_type) or vm_priority: dedicated.",
        waits=CAPACITY_WAITS,
    ),
    KnownError(
        "full subnet",
        r"SubnetIsFull|(not have|no) enough (available |free )?(private )?IP addresses|"
        r"insufficient (free )?(IP )?address",
        (),
        "The subnet of the clusters has no free address left.",
        "Wait until other machines are released, lower max_nodes, or enlarge the subnet in infra/.",
    ),
    KnownError(
        "preemption",
        r"preempt|pre-empt|evict|PreemptionError|node.*(lost|unreachable)|deallocated due to spot",
        (),
        "Azure took the spot machine away.",
        "Run again, or set vm_priority: dedicated.",
        waits=SHORT_WAITS,
    ),
    KnownError(
        "unusable machine",
        r"unusable node|node.*(unusable|did not start|failed to start)|NodeNotReady|StartTaskFailed|"
        r"Startup task failed",
        (),
        "A machine of the cluster did not start correctly.",
        "Run again: Azure replaces the machine. If it happens again, delete the cluster and run setup.",
        waits=SHORT_WAITS,
    ),
    KnownError(
        "failed cluster",
        r"cluster .* is in (a )?failed state|compute .*(not ready|provisioning (state )?failed)",
        (),
        "The cluster could not be created and takes no jobs.",
        "Delete the cluster in Azure ML studio, and run setup, which creates it again and reports the reason.",
    ),
    KnownError(
        "unknown cluster",
        r"compute (target )?.*(not found|does ?n.t exist)|ComputeTargetNotFound|ComputeNotFound|"
        r"computes?/[^/ ]+ was not found|unknown compute",
        (),
        "The workspace has no cluster of this name.",
        "Correct gpu_cluster or cpu_cluster, or run setup, which creates the gpu_cluster.",
        InputError,
    ),
    KnownError(
        "disk full",
        r"No space left on device|DiskFull|disk (is )?(almost )?full|running out of disk|disk quota exceeded|"
        r"disk (space|usage|consumption).*(9\d ?%|exceed)",
        (),
        "The disk of the machine is full.",
        "Choose a size with a larger local disk, or use fewer rows.",
    ),
    KnownError(
        "quota",
        r"quota|ClusterCoreQuotaReached|OperationNotAllowed.*cores|ClusterMinNodesExceedCoreQuota",
        (),
        "The subscription's quota for this machine size is too small.",
        "Request more on the Quotas page of Azure ML studio (GPU quotas start at 0), or choose a smaller gpu_vm_size, "
        f"endpoint_instance_type or max_nodes. `{DOCTOR}` shows the free quota.",
    ),
)
