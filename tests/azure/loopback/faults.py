"""Injected faults: in the replies to calls, or in the services themselves."""

import re
import threading
from dataclasses import dataclass, field

from .messages import Call, Reply, error, reply

# Faults of services. Each affects the next run, cluster or deployment. See README.md.
SERVICE_FAULTS = {
    "job.preempted": "the spot node is preempted once; the job is queued and started again",
    "job.image_build_failed": "the image of the environment cannot be built",
    "job.out_of_memory": "the job's process is killed because it runs out of memory",
    "job.quota": "the cluster cannot allocate a node; the job stays in the queue",
    "compute.quota": "the cluster cannot be created because of its quota",
    "compute.failed": "the creation of the cluster fails inside Azure",
    "deployment.never_ready": "the container does not become ready; the operation does not end",
    "deployment.failed": "the container exits; the operation fails",
    "deployment.image_build_failed": "the image of the deployment cannot be built",
    "deployment.quota": "there is no quota for the deployment's instance type",
    "deployment.out_of_memory": "the container is killed because it runs out of memory",
    "endpoint.failed": "the creation of the endpoint fails inside Azure",
    "endpoint.unhealthy": "the gateway answers 502",
}


@dataclass
class Fault:
    """A fault in the reply to a call.

    Attributes
    ----------
    match : str
        Regular expression searched for in ``"METHOD host/path?query"``.
    status : int
        Status of the reply that replaces the route's; 0 keeps the route's reply.
    code, message : str
        Code and message in the error's body.
    headers : dict
        Headers of the reply, such as ``{"Retry-After": "1"}``.
    body : bytes
        Replaces the usual error body.
    drop : str
        ``"upload"`` closes the connection in the middle of the request's body, ``"reply"`` in the middle of the reply.
    delay_seconds : float
        Delay of the reply.
    after, times : int
        Number of matching calls that pass first, and number of calls that fail then.
    """

    match: str
    status: int = 0
    code: str = "InjectedFault"
    message: str = "injected by a test"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    drop: str = ""
    delay_seconds: float = 0.0
    after: int = 0
    times: int = 1
    matched_calls: int = 0

    def reply(self, call: Call) -> Reply:
        if self.body is not None:
            return Reply(self.status, self.body, self.headers)
        if call.host.endswith("blob.core.windows.net"):
            return storage_error(self.status, self.code, self.message, self.headers)
        return reply(error(self.status, self.code, self.message), self.status, **self.headers)

    def __str__(self) -> str:
        what = self.drop and f"dropped {self.drop}"
        return what or (f"{self.status} {self.code}" if self.status else f"{self.delay_seconds} s of delay")


def storage_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    """Return an error in the format of the blob service."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, body.encode(), {"Content-Type": "application/xml", "x-ms-error-code": code} | (headers or {}))


class Faults:
    """The faults that have been injected."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wire: list[Fault] = []
        self.service: dict[str, int] = {}

    def on_wire(self, match: str, status: int = 0, **details) -> Fault:
        """Inject a fault into the next matching calls; see `Fault`."""
        fault = Fault(match, status, **details)
        with self.lock:
            self.wire.append(fault)
        return fault

    def in_service(self, name: str, times: int = 1) -> None:
        """Inject one of `SERVICE_FAULTS` into the next run, cluster or deployment."""
        if name not in SERVICE_FAULTS:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(SERVICE_FAULTS)}")
        with self.lock:
            self.service[name] = self.service.get(name, 0) + times

    def clear(self) -> None:
        with self.lock:
            self.wire.clear()
            self.service.clear()

    def fault_for(self, call: Call) -> Fault | None:
        """Return the fault for a call, and count the call."""
        text = f"{call.method} {call.host}{call.target}"
        with self.lock:
            for fault in self.wire:
                if fault.matched_calls < fault.after + fault.times and re.search(fault.match, text, re.IGNORECASE):
                    fault.matched_calls += 1
                    if fault.matched_calls > fault.after:
                        return fault
        return None

    def take(self, name: str) -> bool:
        """Return whether a service's fault is injected, and use it up."""
        with self.lock:
            left = self.service.get(name, 0)
            if left:
                self.service[name] = left - 1
            return left > 0

    def active(self, name: str) -> bool:
        """Return whether a service's fault is injected, without using it up."""
        return self.service.get(name, 0) > 0
