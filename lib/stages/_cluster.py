"""The Dask cluster that processes partitions: an existing cluster, or a temporary one on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lib.errors import ParameterError

if TYPE_CHECKING:
    from lib.parameters import Parameters

_CONNECT_SECONDS = 30


@contextlib.contextmanager
def connect_client(parameters: Parameters) -> Iterator[Any]:
    """Connect a Dask client to ``scheduler_address``, or to a temporary local cluster if the address is empty.

    Parameters
    ----------
    parameters : Parameters
        ``scheduler_address`` is read.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ParameterError
        If Dask is not installed, or no scheduler responds at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ParameterError(
            f'engine: dask is not installed ({error}). Install it: make install GROUPS="scale"'
        ) from error
    address = parameters.scheduler_address
    with contextlib.ExitStack() as resources:
        if not address:
            cluster = LocalCluster(threads_per_worker=1, dashboard_address=None)
            resources.callback(close_cluster, cluster)
            address = cluster.scheduler_address
        try:
            client = resources.enter_context(Client(address, timeout=_CONNECT_SECONDS))
        except OSError as error:
            raise ParameterError(
                f"scheduler_address: no Dask scheduler answers at {address} ({error}). Start one there, or leave "
                "scheduler_address empty to start a cluster on this machine."
            ) from error
        yield client


def close_cluster(cluster: Any) -> None:
    """Close a local cluster."""
    with contextlib.suppress(TimeoutError):  # slow workers: Dask kills them first, then raises
        cluster.close()
