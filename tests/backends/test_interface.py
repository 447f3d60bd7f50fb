"""Every backend there is keeps the interface that stages and chain rely on."""

import importlib
import inspect

import pytest

from lib import backends
from lib.backends import base

KINDS = {"backend": base.Backend, "endpoint": base.Endpoint}


def promised(protocol):
    """Public methods of a protocol."""
    return {name: one for name, one in vars(protocol).items() if inspect.isfunction(one) and not name.startswith("_")}


def written(name, file):
    """The class of a backend's file that stands for it: the one with the first method of the protocol."""
    module = importlib.import_module(f"lib.backends.{name}.{file}")
    first = next(iter(promised(KINDS[file])))
    (found,) = [
        one
        for one in vars(module).values()
        if inspect.isclass(one) and one.__module__ == module.__name__ and hasattr(one, first)
    ]
    return found


def parameters_of(function):
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]


def missing(kind, protocol):
    """What a class lacks of a protocol: a text each."""
    faults = []
    for name, method in promised(protocol).items():
        own = getattr(kind, name, None)
        if not inspect.isfunction(own):
            faults.append(f"{kind.__name__} has no method {name}")
        elif parameters_of(own) != parameters_of(method):
            faults.append(f"{kind.__name__}.{name}{inspect.signature(own)} is not {inspect.signature(method)}")
        elif not own.__doc__:
            faults.append(f"{kind.__name__}.{name} has no docstring")
    return faults


def test_the_laptop_is_a_backend():
    assert "local" in backends.available()


@pytest.mark.parametrize("file", KINDS)
@pytest.mark.parametrize("name", backends.available())
def test_every_method_is_there_with_the_same_parameters(name, file):
    assert missing(written(name, file), KINDS[file]) == []


@pytest.mark.parametrize("name", backends.available())
def test_it_can_be_asked_for_faults_and_a_connection(name):
    module = importlib.import_module(f"lib.backends.{name}")
    assert list(inspect.signature(module.faults).parameters) == ["parameters"]
    assert list(inspect.signature(module.diagnose).parameters) == ["parameters"]
    assert list(inspect.signature(module.connect).parameters) == ["parameters"]


@pytest.mark.parametrize("name", backends.available())
def test_it_bears_the_name_of_its_folder_and_has_tracking(name):
    backend = written(name, "backend")
    assert backend.name == name
    assert "tracking" in dir(backend) or "tracking" in inspect.get_annotations(backend)


def test_the_comparison_sees_a_lost_a_renamed_and_an_optional_parameter():
    class Half:
        def status(self):
            """There."""

        def stop(self):
            pass

        def logs(self, count):
            """Renamed."""

        def key(self, which="primary"):
            """One too many."""

    faults = missing(Half, base.Endpoint)
    assert [fault.split("(")[0] for fault in faults] == [
        "Half has no method deploy",
        "Half has no method shift_traffic",
        "Half has no method roll_back",
        "Half has no method renew_key",
        "Half.stop has no docstring",
        "Half.logs",
        "Half.key",
    ]
