"""A lock on a blob that all runs of a workspace share, and that expires when its holder dies."""

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
    """Hold the lease of a blob while the body runs; wait if another run holds it.

    Parameters
    ----------
    blob : BlobClient
        The blob, which is created if it does not exist.
    seconds : int
        Duration of the lease, 15 to 60. It is renewed while the holder is alive, and expires when the holder dies.

    Raises
    ------
    StageError
        If another run holds the lease for several minutes.
    """
    with translate_errors(f"lock {blob.blob_name}"):
        held_lease = _acquire(blob, seconds)
    is_done = threading.Event()

    def renew() -> None:
        while not is_done.wait(seconds / 3):
            held_lease.renew()

    renewal = threading.Thread(target=renew, name="lease", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        is_done.set()
        renewal.join()
        with translate_errors(f"unlock {blob.blob_name}"):
            held_lease.release()


def _acquire(blob: BlobClient, seconds: int) -> BlobLeaseClient:
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
        f"Another run has locked {blob.blob_name} for {_TIMEOUT_SECONDS:g} seconds. Wait until it has finished, and "
        f"resume this run: {command('--resume', 'RUN')}"
    )
