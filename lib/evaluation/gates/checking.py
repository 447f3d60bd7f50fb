"""The gates that the parameters name, and the check of all of them with the waivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lib.evaluation.gates.champion import AcceptGate, ChampionGate
from lib.evaluation.gates.evidence import Evidence
from lib.evaluation.gates.groups import GroupGapGate, WorstSliceGate
from lib.evaluation.gates.leakage import ColumnAloneGate, NearPerfectGate, RowOnBothSidesGate
from lib.evaluation.gates.operation import ContractGate, CoverageGate, LatencyGate, SizeGate
from lib.evaluation.gates.result import WAIVED, Gate, GateResult, block_unmeasured
from lib.evaluation.gates.score import FiniteScoreGate, MinScoreGate, NoSkillGate, TrainTestGapGate
from lib.evaluation.not_measured import NotMeasuredError
from lib.parameters.gates import active_gates
from lib.parameters.waivers import find_valid_waiver

if TYPE_CHECKING:
    from lib.parameters import Parameters

# Gates with a limit in the parameter `gates`, by their name there.
_LIMITED: dict[str, Callable[[Any], Gate]] = {
    "train_test_gap": TrainTestGapGate,
    "near_perfect": NearPerfectGate,
    "row_on_both_sides": RowOnBothSidesGate,
    "column_alone": ColumnAloneGate,
    "worst_slice": WorstSliceGate,
    "group_gap": GroupGapGate,
    "latency_ms": LatencyGate,
    "size_mb": SizeGate,
    "coverage": CoverageGate,
    "contract": ContractGate,
}


def make_gates(parameters: Parameters) -> list[Gate]:
    """Return the gates that are always checked, then those in the parameter ``gates``.

    Parameters
    ----------
    parameters : Parameters
        ``gates``, ``min_score``, ``promote_if`` and ``margin``.
    """
    return [
        FiniteScoreGate(),
        NoSkillGate(),
        MinScoreGate(parameters.min_score),
        ChampionGate(parameters.promote_if, parameters.margin),
        AcceptGate(),
        *(_LIMITED[name](limit) for name, limit in active_gates(parameters).items()),
    ]


def check_all(gates: Sequence[Gate], evidence: Evidence, waivers: Sequence[Mapping[str, Any]]) -> list[GateResult]:
    """Check every gate, also after one has blocked, and let a gate pass for which a waiver holds today."""
    results = []
    for gate in gates:
        try:
            result = gate.check(evidence)
        except NotMeasuredError as error:
            result = block_unmeasured(gate, "", str(error))
        waiver = find_valid_waiver(list(waivers), gate.name) if result.reason else None
        results.append(result if waiver is None else replace(result, verdict=WAIVED, waiver=dict(waiver)))
    return results
