"""A lock that all runs of a workspace share: the lease of a blob, which expires if the run that holds it dies."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.backends.azureml.error_translation import translate_errors
from lib.errors import StageError
from lib.invocation import command

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobLeaseClient

_TIMEOUT_SECONDS = 180.0
_POLL_SECONDS = 1.0


@contextlib.contextmanager
def lease(blob: BlobClient, seconds: int) -> Iterator[None]:
    """Hold the lease of a blob during the ``with`` block; wait first if another run holds the lease.

    Parameters
    ----------
    blob : BlobClient
        The blob, which is created if it does not exist.
    seconds : int
        Duration of the lease, 15 to 60. A thread renews the lease until the end of the block. If this process dies, the
        lease expires.

    Raises
    ------
    StageError
        If another run holds the lease for several minutes.
    """
    with translate_errors(f"lock {blob.blob_name}"):
        held_lease = _acquire(blob, seconds)
    block_ended = threading.Event()

    def renew() -> None:
        while not block_ended.wait(seconds / 3):
            held_lease.renew()

    renewal = threading.Thread(target=renew, name="lease", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        block_ended.set()
        renewal.join()
        with translate_errors(f"unlock {blob.blob_name}"):
            held_lease.release()


def _acquire(blob: BlobClient, seconds: int) -> BlobLeaseClient:
    """Acquire the lease of a blob, which is created if needed; wait while another run holds the lease."""
    from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

    pause = threading.Event()
    for _ in range(int(_TIMEOUT_SECONDS / _POLL_SECONDS)):
        try:
            return blob.acquire_lease(lease_duration=seconds)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another run has just created it
                blob.upload_blob(b"", overwrite=False)
        except HttpResponseError as error:
            if getattr(error, "error_code", "") != "LeaseAlreadyPresent":
                raise
            pause.wait(_POLL_SECONDS)
    raise StageError(
        f"Another run has locked {blob.blob_name} for {_TIMEOUT_SECONDS:g} seconds. Wait until that run has finished, "
        f"and resume this run: {command('--resume', 'RUN')}"
    )
