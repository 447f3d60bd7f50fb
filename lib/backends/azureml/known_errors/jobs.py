"""Errors of jobs and their images."""

from lib.backends.azureml.known_errors.known_error import CAPACITY_WAITS, SHORT_WAITS, KnownError
from lib.errors import EndpointError, InputError

TIME_LIMIT = "time limit"

JOB_ERRORS = (
    KnownError(
        "image rate limit",
        r"toomanyrequests|pull rate limit",
        (),
        "The public registry limits how often images are pulled, and several retries did not help.",
        "Run again in an hour, or copy the image to the workspace's own registry.",
        waits=CAPACITY_WAITS,
    ),
    KnownError(
        "image not found",
        r"manifest unknown|manifest for .* not found|no such image|ContainerInvalidImage|repository .* not found",
        (),
        "The container image does not exist in the registry.",
        "Correct the base image, or register the environment again by running setup.",
        InputError,
    ),
    KnownError(
        "image build",
        r"image build fail|ImageBuildFailure|ResolvePackageNotFound|failed to build.*image|"
        r"Could not find a version that satisfies|No matching distribution found|"
        r"CondaEnvException|pip subprocess error",
        (),
        "The environment's image could not be built, usually because a package of environment.yml is not available.",
        "azureml-logs/20_image_build_log.txt of the run has the details. Fix the package, update environment.yml "
        "(`make lock`), and run again.",
    ),
    KnownError(
        "GPU out of memory",
        r"CUDA (error: )?out of memory|CUBLAS_STATUS_ALLOC_FAILED|OutOfMemoryError: CUDA|cudaErrorMemoryAllocation",
        (),
        "The memory of the GPU is full.",
        "Choose a gpu_vm_size with a larger GPU, or use fewer rows or columns.",
    ),
    KnownError(
        "no GPU",
        r"no CUDA-capable device|CUDA driver version is insufficient|NVIDIA driver|nvidia-smi.*(fail|not found)",
        (),
        "The machine has no usable GPU.",
        "Choose a gpu_vm_size with an NVIDIA GPU, or set a training function that needs none.",
    ),
    KnownError(
        "out of memory",
        r"OutOfMemory|out of memory|exit code 137|code: 137|OOMKilled|MemoryError|ran out of memory|oom-kill",
        (),
        "The job ran out of memory.",
        "Choose a larger gpu_vm_size, or use fewer rows or columns.",
    ),
    KnownError(
        TIME_LIMIT,
        r"max_?run_?duration|JobExceededTimeLimit|(exceed|reach)\w* (its |the )?(maximum )?(allowed )?(run )?"
        r"(time ?limit|duration)|ran longer than the maximum time|RUN_TIMEOUT|maximum (allowed )?run (time|duration)",
        (),
        "The job reached its time limit, and Azure ended it.",
        "Raise timeout_minutes, use fewer rows, or choose a larger machine.",
    ),
    KnownError(
        "large snapshot",
        r"SnapshotException|snapshot.*(exceeds|larger than|too large)|while taking snapshot",
        (),
        "The folder that is sent with a job is larger than Azure ML allows.",
        "Move large files out of custom/, lib/ and parameters/; tables belong in the datastore.",
        InputError,
    ),
    KnownError(
        "AutoML without a key",
        r"identity[- ]based (data )?access.*(not supported|AutoML)|credential-?less.*(not supported|AutoML)",
        (),
        "AutoML of SDK version 1 does not support a datastore without a key.",
        "Set automl: false and name training_functions, or run AutoML on this machine (backend: local).",
        InputError,
    ),
    KnownError(
        "too few rows for AutoML",
        r"(at least|minimum of|minimum requirement of) \d+ (data )?(samples|rows)|InsufficientData|"
        r"less than the minimum",
        (),
        "AutoML needs more rows.",
        "Use a table with more rows, or set automl: false.",
        InputError,
    ),
    KnownError(
        "missing package",
        r"ModuleNotFoundError|No module named",
        (),
        "The Python environment lacks a package that the code imports.",
        'On this machine: make install GROUPS="azure". In a job: add the package to pyproject.toml or '
        "custom/requirements.txt, run `make lock`, and run again.",
    ),
    KnownError(
        "unhealthy endpoint",
        r"ResourceNotReady|UserContainerCrash|container.*(crash|exited)|LivenessProbe|ReadinessProbe|"
        r"(Liveness|Readiness) probe failed|Back-off restarting failed container|CrashLoopBackOff",
        (),
        "The deployment did not become ready: the container crashed or did not respond.",
        "The end of the container's log shows why.",
        EndpointError,
    ),
    KnownError(
        "internal error of Azure",
        r"InternalServerError|internal server error|InternalError\b|ServiceError|InternalOperationError|"
        r"encountered an internal error",
        (),
        "A service of Azure failed internally, and several retries did not help.",
        "Check https://azure.status.microsoft, and run again later. If it stays, send the request id to Azure's "
        "support.",
        waits=SHORT_WAITS,
    ),
)
