"""The age of the base image, and machine sizes that Azure will retire."""

import datetime

import pytest

from lib.backends.azureml import machine_checks
from lib.errors import ParameterError
from lib.parameters import Parameters, check, load


@pytest.mark.parametrize(("days", "is_old"), [(1, False), (180, False), (200, True), (2000, True)])
def test_doctor_tells_the_age_of_the_base_image(days, is_old):
    date = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=days)
    text = machine_checks.check_base_image(f"mcr.microsoft.com/azureml/image:{date:%Y%m%d}.v1").result
    assert f"{days} days old" in text and ("security updates" in text) == is_old


@pytest.mark.parametrize("image", [f"registry/image@sha256:{'a' * 64}", "registry/image:20269999.v1"])
def test_unknown_age_of_the_base_image_is_told(image):
    assert "age is unknown" in machine_checks.check_base_image(image).result


@pytest.mark.parametrize("image", ["ubuntu", "mcr.microsoft.com/azureml/image:latest", "mcr.microsoft.com/image"])
def test_base_image_without_a_pin_is_refused(image):
    with pytest.raises(ParameterError, match="base_image.*expected an image with a dated tag or a digest"):
        check(load(["parameters/penguins.yaml"], [f"base_image={image}"]))


def test_machine_that_will_be_retired_is_named():
    given = {**load([]).values, "gpu_vm_size": "Standard_NC4as_T4_v3", "endpoint_instance_type": "Standard_F4s_v2"}
    (result,) = machine_checks.check_retirements(Parameters(given))
    assert "endpoint_instance_type: Azure retires the family F, Fs and Fsv2" in result.result
