"""Machine sizes that Azure has retired are refused before anything starts; ones about to retire are accepted."""

import pytest

from lib.errors import ParameterError
from lib.parameters import check, load
from lib.parameters.machine_sizes import PARAMETERS, find_retirement

RETIRED = [
    "Standard_NC6", "Standard_NC24r", "Standard_NC12s_v2", "Standard_ND24rs", "Standard_NV12",
    "Standard_NC6s_v3", "Standard_NC24rs_v3", "STANDARD_NC12S_V3", "Standard_ND40rs_v2",
    "Standard_NV12s_v3", "Standard_NV48s_v3", "Standard_NV4as_v4", "standard_nv32as_v4",
]  # fmt: skip
ABOUT_TO_RETIRE = [
    "Standard_DS3_v2",
    "Standard_D4_v2",
    "Standard_F4s_v2",
    "Standard_F8s",
    "Standard_B2ms",
    "Standard_A2_v2",
]
LIVING = [
    "Standard_NC4as_T4_v3", "Standard_NC64as_T4_v3", "Standard_NC24ads_A100_v4", "Standard_NC40ads_H100_v5",
    "Standard_NC80adis_H100_v5", "Standard_ND96isr_H100_v5", "Standard_NV6ads_A10_v5", "Standard_D4ds_v5",
    "Standard_D4as_v4", "Standard_E4s_v3", "Standard_D2s_v3", "Standard_F4s_v3", "Standard_B2s_v2", "Standard_L8s_v3",
]  # fmt: skip


def load_with(name, size):
    return check(load(["parameters/penguins.yaml"], [f"{name}={size}"]))


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("size", RETIRED)
def test_retired_sizes_are_refused(name, size):
    with pytest.raises(
        ParameterError, match=rf"{name}: Azure retired the family \w+ of {size} on .*Choose another size"
    ):
        load_with(name, size)


@pytest.mark.parametrize("size", ABOUT_TO_RETIRE + LIVING)
def test_other_sizes_are_accepted(size):
    assert load_with("endpoint_instance_type", size)["endpoint_instance_type"] == size


def test_announced_retirements_have_a_living_successor():
    for size in RETIRED + ABOUT_TO_RETIRE:
        assert find_retirement(find_retirement(size).successor) is None
    assert [size for size in LIVING if find_retirement(size)] == []
