"""A lease on a blob: a lock that all runs of a workspace see, and that ends by itself when its holder dies."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from lib.backends.azureml.error_translation import translate_errors
from lib.errors import StageError

_PATIENCE_SECONDS = 180.0
_PAUSE_SECONDS = 1.0


@contextlib.contextmanager
def lease(blob: Any, seconds: int) -> Iterator[None]:
    """Wait until no other run is in here with the same blob.

    Parameters
    ----------
    blob : BlobClient
        Made where it is not there.
    seconds : int
        After which a dead holder's lease ends, 15 to 60; a living one's is renewed.

    Raises
    ------
    StageError
        Where another run holds it for minutes.
    """
    with translate_errors(f"lock {blob.blob_name}"):
        held = _acquired(blob, seconds)
    left = threading.Event()

    def renew() -> None:
        while not left.wait(seconds / 3):
            held.renew()

    renewing = threading.Thread(target=renew, name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        left.set()
        renewing.join()
        with translate_errors(f"unlock {blob.blob_name}"):
            held.release()


def _acquired(blob: Any, seconds: int) -> Any:
    from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

    pause = threading.Event()
    for _ in range(int(_PATIENCE_SECONDS / _PAUSE_SECONDS)):
        try:
            return blob.acquire_lease(lease_duration=seconds)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another run made it meanwhile
                blob.upload_blob(b"", overwrite=False)
        except HttpResponseError as error:
            if error.error_code != "LeaseAlreadyPresent":
                raise
            pause.wait(_PAUSE_SECONDS)
    raise StageError(
        f"Another run has held {blob.blob_name} for {_PATIENCE_SECONDS:g} seconds. Wait for it, and go on."
    )
