"""Every module of ``custom/`` keeps the contract of its kind. `make check-custom` runs this file."""

import pytest

from tests.check_custom import features, hooks, metrics, modules, stages, training_functions

EXTENSIONS = modules.list_extensions()


def report(faults):
    """Fail with messages for the author of the code, without a traceback of the test."""
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def test_folders_are_known():
    report(modules.find_folder_faults())


@pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda extension: extension.module)
def test_module_can_be_imported(extension):
    report(modules.find_faults(extension))


@pytest.mark.parametrize("name", modules.list_names("lib.pipelines"))
def test_hooks_of_pipeline(name):
    report(hooks.find_faults(name))


@pytest.mark.parametrize("name", modules.list_names("lib.features"))
def test_features(name):
    report(features.find_faults(name))


@pytest.mark.parametrize("name", modules.list_names("lib.metrics"))
def test_metric(name):
    report(metrics.find_faults(name))


@pytest.mark.parametrize("name", stages.list_names())
def test_stage(name):
    report(stages.find_faults(name))


@pytest.mark.parametrize("name", modules.list_names("lib.training"))
def test_training_function(name):
    report(training_functions.find_faults(name))
