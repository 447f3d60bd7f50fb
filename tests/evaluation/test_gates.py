"""Gates and waivers: what each gate blocks, and how long a waiver holds."""

import datetime
import math
from dataclasses import replace

import pytest

from lib import metrics
from lib.evaluation.comparison import Difference
from lib.evaluation.gates import (
    AcceptGate,
    ChampionGate,
    Evidence,
    FiniteScoreGate,
    MinScoreGate,
    NoSkillGate,
    check_all,
)
from lib.parameters.waivers import find_waiver_faults

CLEARLY_BETTER = Difference(0.1, 0.05, 0.15, 1_000, "DeLong")
UNCLEAR = Difference(0.01, -0.02, 0.04, 1_000, "DeLong")
GOOD = Evidence(metrics.get("roc_auc", "binary"), 0.8, CLEARLY_BETTER, "champion v1", CLEARLY_BETTER)
GATES = (FiniteScoreGate(), NoSkillGate(), MinScoreGate(0.7), ChampionGate("better", 0), AcceptGate())
WAIVER = {"gate": "min_score", "who": "Ada", "why": "pilot", "until": "2999-01-31"}


def verdicts(evidence, waivers=()):
    """Return the verdicts that are not "passed", by gate."""
    return {r.gate: r.verdict for r in check_all(GATES, evidence, waivers) if r.verdict != "passed"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"against_no_skill": UNCLEAR}, {"no_skill": "blocked"}),
        ({"score": 0.69}, {"min_score": "blocked"}),
        ({"not_comparable": "version 1 has other columns", "against_champion": None}, {"champion": "blocked"}),
        ({"against_champion": UNCLEAR}, {"champion": "champion stays"}),
        ({"champion": "", "against_champion": None}, {}),
        ({"objection": "the owner is on holiday"}, {"accept": "blocked"}),
    ],
)
def test_each_gate_blocks_what_no_other_blocks(changes, expected):
    assert verdicts(replace(GOOD, **changes)) == expected


def test_an_undefined_score_is_blocked():
    assert verdicts(replace(GOOD, score=math.nan))["finite_score"] == "blocked"


def test_a_waiver_opens_its_own_gate_only():
    bad = replace(GOOD, score=0.6, against_no_skill=UNCLEAR)
    assert verdicts(bad, [WAIVER]) == {"min_score": "waived", "no_skill": "blocked"}
    assert verdicts(bad, [{**WAIVER, "until": "2020-01-31"}]) == {"min_score": "blocked", "no_skill": "blocked"}


@pytest.mark.parametrize(
    ("low", "high", "margin", "verdict"),
    [
        (0.01, 0.03, 0, "better"),
        (-0.03, -0.01, 0, "worse"),
        (-0.01, 0.02, 0, "too few rows to say"),
        (-0.01, 0.02, 0.02, "not worse"),
        (0.01, 0.03, 0.02, "not worse"),
        (-0.05, 0.05, 0.02, "too few rows to say"),
        (0, 0, 0, "not worse"),
        (math.nan, math.nan, 0, "too few rows to say"),
    ],
)
def test_verdict_follows_from_the_interval(low, high, margin, verdict):
    assert Difference((low + high) / 2, low, high, 500, "DeLong").judge(margin) == verdict


def test_too_few_rows_says_how_many_are_needed():
    (result,) = check_all([ChampionGate("better", 0)], replace(GOOD, against_champion=UNCLEAR), [])
    assert "about 9,000 test rows would show a difference of this size" in result.reason


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gate": "minscore"}, "Did you mean 'min_score'"),
        ({"until": "soon"}, "expected a date such as 2027-01-31"),
        ({"until": "2026-01-31"}, "expired on 2026-01-31"),
        ({"who": ""}, "is incomplete; expected gate, who, why, until"),
    ],
)
def test_a_waiver_that_cannot_hold_is_refused(changes, message):
    (fault,) = find_waiver_faults([{**WAIVER, **changes}], today=datetime.date(2026, 2, 1))
    assert message in fault


def test_a_waiver_holds_on_its_last_day():
    last_day = datetime.date(2999, 1, 31)
    assert find_waiver_faults([WAIVER], today=last_day) == []
    assert find_waiver_faults([WAIVER], today=last_day + datetime.timedelta(days=1))
