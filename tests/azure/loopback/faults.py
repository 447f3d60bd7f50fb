"""What goes wrong on purpose: in a reply on the wire, or in what a service does behind it."""

import re
import threading
from dataclasses import dataclass, field

from .messages import Call, Reply, error, reply

# What a service can be made to do, and the next run, cluster or deployment that meets it. See README.md.
SERVICE_FAULTS = {
    "job.preempted": "the low-priority node goes away once, the job is queued again and starts anew",
    "job.image_build_failed": "the image of the environment cannot be built",
    "job.out_of_memory": "the job's process is killed for its memory",
    "job.quota": "the cluster gets no node, the job stays in the queue",
    "compute.quota": "the cluster cannot be made for want of quota",
    "compute.failed": "making the cluster fails inside Azure",
    "deployment.never_ready": "the container does not get ready, the operation does not end",
    "deployment.failed": "the container exits, the operation fails",
    "deployment.image_build_failed": "the image of the deployment cannot be built",
    "deployment.quota": "no cores for the deployment's instance type",
    "deployment.out_of_memory": "the container is killed for its memory",
    "endpoint.failed": "making the endpoint fails inside Azure",
    "endpoint.unhealthy": "the gateway answers 502",
}


@dataclass
class Fault:
    """A fault on the wire.

    Attributes
    ----------
    match : str
        Regular expression searched for in ``"METHOD host/path?query"``.
    status : int
        Answered instead of calling the route; 0 lets the route answer.
    code, message : str
        Of the error's body.
    headers : dict
        ``{"Retry-After": "1"}`` and the like.
    body : bytes
        Sent instead of the usual error body.
    drop : str
        ``"upload"`` closes the connection in the middle of the request's body, ``"reply"`` in the middle of the answer.
    delay_seconds : float
        Waited before answering.
    after, times : int
        Calls let through first, and calls struck then.
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
    struck: int = 0

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
    """An error as the blob service writes it."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, body.encode(), {"Content-Type": "application/xml", "x-ms-error-code": code} | (headers or {}))


class Faults:
    """The faults waiting to strike."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wire: list[Fault] = []
        self.service: dict[str, int] = {}

    def on_wire(self, match: str, status: int = 0, **details) -> Fault:
        """Strike the next calls that match; see `Fault`."""
        fault = Fault(match, status, **details)
        with self.lock:
            self.wire.append(fault)
        return fault

    def in_service(self, name: str, times: int = 1) -> None:
        """Strike the next run, cluster or deployment; the names are those of `SERVICE_FAULTS`."""
        if name not in SERVICE_FAULTS:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(SERVICE_FAULTS)}")
        with self.lock:
            self.service[name] = self.service.get(name, 0) + times

    def clear(self) -> None:
        with self.lock:
            self.wire.clear()
            self.service.clear()

    def struck_by(self, call: Call) -> Fault | None:
        """The fault that strikes this call, used up by it."""
        text = f"{call.method} {call.host}{call.target}"
        with self.lock:
            for fault in self.wire:
                if fault.struck < fault.after + fault.times and re.search(fault.match, text, re.IGNORECASE):
                    fault.struck += 1
                    if fault.struck > fault.after:
                        return fault
        return None

    def take(self, name: str) -> bool:
        """Whether a service's fault strikes now, used up by it."""
        with self.lock:
            left = self.service.get(name, 0)
            if left:
                self.service[name] = left - 1
            return left > 0

    def active(self, name: str) -> bool:
        """Whether a service's fault stands, not used up: for what lasts until it is cleared."""
        return self.service.get(name, 0) > 0
