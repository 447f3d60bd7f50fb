"""Gates of operation: latency and size of the model, coverage of its intervals, and the contract of the table."""

from __future__ import annotations

from dataclasses import dataclass

from lib.evaluation.gates.evidence import Evidence
from lib.evaluation.gates.result import GateResult, judge


@dataclass(frozen=True)
class BrokenContractRows:
    """Rows of the table that broke its contract.

    Attributes
    ----------
    count, rows : int
        Number of such rows, and of all rows of the table.
    """

    count: int
    rows: int


class LatencyGate:
    """The model must answer a request of one row fast enough.

    Parameters
    ----------
    maximum_ms : float
        Of the median request, in milliseconds, without the network.
    """

    name = "latency_ms"

    def __init__(self, maximum_ms: float):
        self.maximum_ms = maximum_ms

    def check(self, evidence: Evidence) -> GateResult:
        """Block a model that is too slow. The measurement is in milliseconds."""
        milliseconds: float = evidence.measure(self.name)
        measured, limit = f"{milliseconds:.3g} ms for a request of one row", f"at most {self.maximum_ms:g} ms"
        return judge(self, milliseconds <= self.maximum_ms, measured, limit, f"it takes {measured}, {limit}")


class SizeGate:
    """The files of the model must not be too large.

    Parameters
    ----------
    maximum_mb : float
        In megabytes.
    """

    name = "size_mb"

    def __init__(self, maximum_mb: float):
        self.maximum_mb = maximum_mb

    def check(self, evidence: Evidence) -> GateResult:
        """Block a model that is too large. The measurement is in megabytes."""
        megabytes: float = evidence.measure(self.name)
        measured, limit = f"{megabytes:.3g} MB", f"at most {self.maximum_mb:g} MB"
        return judge(self, megabytes <= self.maximum_mb, measured, limit, f"its files have {measured}, {limit}")


class CoverageGate:
    """The intervals or sets of the model must contain the truth often enough.

    Parameters
    ----------
    minimum : float
        Share of the test rows, 0 to 1.
    """

    name = "coverage"

    def __init__(self, minimum: float):
        self.minimum = minimum

    def check(self, evidence: Evidence) -> GateResult:
        """Block a model whose intervals miss too many test rows. The measurement is a share, 0 to 1."""
        share: float = evidence.measure(self.name)
        measured, limit = f"{share:.1%} of the test rows", f"at least {self.minimum:.1%}"
        return judge(self, share >= self.minimum, measured, limit, f"its intervals contain {measured}, {limit}")


class ContractGate:
    """The rows of the table must keep the contract.

    Parameters
    ----------
    maximum : float
        The largest allowed share of the rows that broke the contract, 0 to 1.
    """

    name = "contract"

    def __init__(self, maximum: float):
        self.maximum = maximum

    def check(self, evidence: Evidence) -> GateResult:
        """Block if too many rows broke the contract. The measurement is a `BrokenContractRows`."""
        broken: BrokenContractRows = evidence.measure(self.name)
        share = broken.count / max(broken.rows, 1)
        measured, limit = f"{broken.count:,} of {broken.rows:,} rows ({share:.1%})", f"at most {self.maximum:.1%}"
        return judge(self, share <= self.maximum, measured, limit, f"{measured} broke the contract, {limit}")
