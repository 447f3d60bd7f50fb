"""What makes a search impossible is said before anything starts."""

import importlib.util

import pytest

from lib import automl
from lib.chain import contracts, notebooks
from lib.errors import ParameterError
from lib.parameters import Parameters, load

GIVEN = load([]).values


def faults(**changes):
    return automl.faults(Parameters({**GIVEN, **changes}))


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """As if the group were installed, whether it is or not."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


def test_the_defaults_have_none_and_allow_every_family():
    assert faults() == []
    assert automl.allowed_families(Parameters(GIVEN)) == automl.FAMILIES


def test_what_is_not_installed_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "catboost" else object())
    (fault,) = faults()
    assert fault == 'automl: its packages are not installed (catboost): make install GROUPS="automl"'


@pytest.mark.parametrize("name", ["allowed_models", "blocked_models"])
def test_a_family_that_is_none_is_named_with_the_nearest(name):
    (fault,) = faults(**{name: ["lightgmb"]} if name == "blocked_models" else {name: ["linear", "lightgmb"]})
    assert fault.startswith(f"{name}: there is no family of models 'lightgmb'. Did you mean 'lightgbm'?")


def test_no_family_left():
    (fault,) = faults(blocked_models=list(automl.FAMILIES))
    assert fault == "blocked_models: no family of models is left to try. Block fewer, or allow others."
    assert faults(allowed_models=["linear"], blocked_models=["linear"]) == [fault]


def test_a_table_in_parts_is_not_searched():
    assert faults(engine="dask") == ["engine: AutoML learns in memory. Set it to memory, or automl to false."]


def test_folds_or_held_out_rows():
    assert "n_cross_validations: one fold" in faults(n_cross_validations=1)[0]
    assert "set one of the two to 0" in faults(n_cross_validations=5, validation_fraction=0.2)[0]


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("automl_budget_minutes=0.01", "automl_budget_minutes (-p): 0.01 is out of range; expected 0.1"),
        ("automl_engine=autoglion", "there is no automl engine 'autoglion'. Did you mean 'autogluon'?"),
        ("primary_metric=roc_auc", "primary_metric: 'roc_auc' is no metric of a multiclass task"),
        ("blocked_models=[lightgmb]", "blocked_models: there is no family of models 'lightgmb'"),
    ],
)
def test_the_check_of_the_chain_says_them(assignment, said):
    layers = load(["parameters/penguins.yaml"], ["automl=true", assignment])
    with pytest.raises(ParameterError) as caught:
        contracts.checked(layers, notebooks.all_of())
    assert said in str(caught.value)


def test_without_automl_nothing_of_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    layers = load(["parameters/penguins.yaml"], ["blocked_models=[whatever]"])
    assert contracts.checked(layers, notebooks.all_of()).automl is False
