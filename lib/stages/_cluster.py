"""The Dask cluster that partitions are worked on: one that runs somewhere, or one of this machine's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lib.errors import ParameterError

if TYPE_CHECKING:
    from lib.parameters import Parameters

_CONNECT_SECONDS = 30


@contextlib.contextmanager
def connected(parameters: Parameters) -> Iterator[Any]:
    """Dask client of ``scheduler_address`` or, where that is empty, of a cluster started here and ended afterwards.

    Raises
    ------
    ParameterError
        Where Dask is not installed, or nobody answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ParameterError(
            f'engine: dask is not installed ({error}). Install it: make install GROUPS="scale"'
        ) from error
    address = parameters.scheduler_address
    with contextlib.ExitStack() as open_things:
        if not address:
            cluster = LocalCluster(threads_per_worker=1, dashboard_address=None)
            open_things.callback(close, cluster)
            address = cluster.scheduler_address
        try:
            client = open_things.enter_context(Client(address, timeout=_CONNECT_SECONDS))
        except OSError as error:
            raise ParameterError(f"scheduler_address: no Dask scheduler answers at {address} ({error}).") from error
        yield client


def close(cluster: Any) -> None:
    """End a cluster of this machine's own."""
    with contextlib.suppress(TimeoutError):  # its workers are killed by then, and only slow to go
        cluster.close()
