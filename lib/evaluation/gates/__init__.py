"""Gates: checks that the challenger must pass before it is promoted. Each tells what it measured and its limit.

One module holds the gates of one kind. A gate is a class with a name, which the parameters use, and a method ``check``.
"""

from lib.evaluation.gates.champion import NOT_COMPARABLE, AcceptGate, ChampionGate
from lib.evaluation.gates.checking import check_all, make_gates
from lib.evaluation.gates.evidence import Evidence
from lib.evaluation.gates.result import BLOCKED, KEPT, PASSED, WAIVED, Gate, GateResult
from lib.evaluation.gates.score import FiniteScoreGate, MinScoreGate, NoSkillGate
from lib.evaluation.not_measured import NotMeasuredError

__all__ = [
    "BLOCKED",
    "KEPT",
    "NOT_COMPARABLE",
    "PASSED",
    "WAIVED",
    "AcceptGate",
    "ChampionGate",
    "Evidence",
    "FiniteScoreGate",
    "Gate",
    "GateResult",
    "MinScoreGate",
    "NoSkillGate",
    "NotMeasuredError",
    "check_all",
    "make_gates",
]
