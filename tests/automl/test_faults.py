"""Faults that make a search impossible are reported before anything runs."""

import importlib.util

import pytest

from lib import automl
from lib.automl import autogluon, flaml
from lib.chain import contracts, notebooks
from lib.errors import ParameterError
from lib.parameters import Parameters, load

DEFAULTS = load([]).values


def faults(**changes):
    return automl.faults(Parameters({**DEFAULTS, **changes}))


@pytest.fixture(autouse=True)
def installed_packages(monkeypatch):
    """Pretend that the packages of AutoML are installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


def test_defaults_have_no_faults_and_allow_every_family():
    assert faults() == []
    assert automl.allowed_families(Parameters(DEFAULTS)) == automl.FAMILIES


def test_missing_package_is_named_with_the_install_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "catboost" else object())
    assert faults() == ['automl: packages are not installed (catboost). Run: make install GROUPS="automl"']


@pytest.mark.parametrize("name", ["allowed_models", "blocked_models"])
def test_unknown_family_suggests_the_nearest(name):
    (fault,) = faults(**{name: ["lightgmb"]} if name == "blocked_models" else {name: ["linear", "lightgmb"]})
    assert fault.startswith(f"{name}: there is no model family 'lightgmb'. Did you mean 'lightgbm'?")


def test_blocking_every_family_is_a_fault():
    (fault,) = faults(blocked_models=list(automl.FAMILIES))
    assert fault == "blocked_models: no model family is left to try. Block fewer, or allow more."
    assert faults(allowed_models=["linear"], blocked_models=["linear"]) == [fault]


def test_families_that_the_engine_does_not_fit_are_a_fault():
    (fault,) = faults(automl_engine="flaml", allowed_models=["neural_network", "linear"])
    assert fault.startswith(
        "allowed_models: the engine flaml can train none of the allowed model families (linear, neural_n"
    )
    assert faults(automl_engine="flaml", allowed_models=["neural_network", "xgboost"]) == []
    assert faults(automl_engine="portfolio", allowed_models=["neural_network"]) == []


def test_presets_of_an_engine_without_them_are_a_fault():
    (fault,) = faults(automl_presets="best_quality")
    assert fault.startswith("automl_presets: the engine portfolio has no presets.")
    assert faults(automl_engine="autogluon", automl_presets="best_quality") == []


def test_engines_fit_the_families_that_are_not_missing():
    fitted = {"autogluon": autogluon._AUTOGLUON_FAMILIES, "flaml": flaml._FLAML_LEARNERS}
    for engine, families in fitted.items():
        assert set(families) == set(automl.FAMILIES) - set(automl.MISSING_FAMILIES[engine])


def test_dask_engine_is_a_fault():
    assert faults(engine="dask") == [
        "engine: AutoML needs the table in memory. Set engine to memory, or automl to false."
    ]


def test_contradictory_validation_is_a_fault():
    assert "n_cross_validations: 1 fold" in faults(n_cross_validations=1)[0]
    assert "set one of the two to 0" in faults(n_cross_validations=5, validation_fraction=0.2)[0]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("automl_budget_minutes=0.01", "automl_budget_minutes (-p): 0.01 is out of range; expected 0.1"),
        ("automl_engine=autoglion", "there is no automl engine 'autoglion'. Did you mean 'autogluon'?"),
        ("primary_metric=roc_auc", "primary_metric: 'roc_auc' is not a metric of a multiclass task"),
        ("blocked_models=[lightgmb]", "blocked_models: there is no model family 'lightgmb'"),
    ],
)
def test_chain_checks_the_parameters_of_automl(assignment, message):
    layers = load(["parameters/penguins.yaml"], ["automl=true", assignment])
    with pytest.raises(ParameterError) as caught:
        contracts.resolve_parameters(layers, notebooks.read_all())
    assert message in str(caught.value)


def test_chain_without_automl_does_not_check_it(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find_spec(name) if name.startswith("lib") else None)
    layers = load(["parameters/penguins.yaml"], ["blocked_models=[whatever]"])
    assert contracts.resolve_parameters(layers, notebooks.read_all()).automl is False
