"""The interface that stages and the chain rely on, checked for every backend."""

import importlib
import inspect

import pytest

from lib import backends
from lib.backends import base

PROTOCOLS = {"backend": base.Backend, "endpoint": base.Endpoint}


def public_methods(protocol):
    """Return the public methods of a protocol by name."""
    return {
        name: member
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def implementation(backend, module_name):
    """Return the class of a backend's module that implements the module's protocol."""
    module = importlib.import_module(f"lib.backends.{backend}.{module_name}")
    first_method = next(iter(public_methods(PROTOCOLS[module_name])))
    (implementing_class,) = [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and member.__module__ == module.__name__ and hasattr(member, first_method)
    ]
    return implementing_class


def signature_of(function):
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


def deviations(checked_class, protocol):
    """Return one sentence for each method that a class lacks or declares differently."""
    faults = []
    for name, method in public_methods(protocol).items():
        implemented = getattr(checked_class, name, None)
        if not inspect.isfunction(implemented):
            faults.append(f"{checked_class.__name__} has no method {name}")
        elif signature_of(implemented) != signature_of(method):
            faults.append(
                f"{checked_class.__name__}.{name}{inspect.signature(implemented)} is not {inspect.signature(method)}"
            )
        elif not implemented.__doc__:
            faults.append(f"{checked_class.__name__}.{name} has no docstring")
    return faults


def test_the_local_backend_is_available():
    assert "local" in backends.available()


@pytest.mark.parametrize("module_name", PROTOCOLS)
@pytest.mark.parametrize("backend", backends.available())
def test_backends_implement_the_protocols(backend, module_name):
    assert deviations(implementation(backend, module_name), PROTOCOLS[module_name]) == []


@pytest.mark.parametrize("backend", backends.available())
def test_backend_modules_have_the_required_functions(backend):
    module = importlib.import_module(f"lib.backends.{backend}")
    for name in ("faults", "diagnose", "connect"):
        assert list(inspect.signature(getattr(module, name)).parameters) == ["parameters"]


@pytest.mark.parametrize("backend", backends.available())
def test_backends_have_a_name_and_tracking(backend):
    backend_class = implementation(backend, "backend")
    assert backend_class.name == backend
    assert "tracking" in dir(backend_class) or "tracking" in inspect.get_annotations(backend_class)


def test_the_check_finds_missing_and_changed_methods():
    class Incomplete:
        def status(self):
            """Match the protocol."""

        def stop(self):
            pass

        def logs(self, count):
            """Have a renamed parameter."""

        def key(self, which="primary"):
            """Have an additional parameter."""

    faults = deviations(Incomplete, base.Endpoint)
    assert [fault.split("(")[0] for fault in faults] == [
        "Incomplete has no method deploy",
        "Incomplete has no method exists",
        "Incomplete has no method shift_traffic",
        "Incomplete has no method roll_back",
        "Incomplete has no method renew_key",
        "Incomplete.stop has no docstring",
        "Incomplete has no method start",
        "Incomplete has no method enable",
        "Incomplete.logs",
        "Incomplete.key",
    ]
