"""Retirement dates of Azure's machine sizes.

Source: Microsoft's lists of retired and retiring sizes, https://learn.microsoft.com/azure/virtual-machines/sizes/retirement/
retired-sizes-list, and the announcements collected in https://github.com/Azure/EOL.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

PARAMETERS = ("gpu_vm_size", "endpoint_instance_type")


class Retirement(NamedTuple):
    """The end of a family of machine sizes."""

    family: str
    date: datetime.date
    successor: str

    @property
    def has_passed(self) -> bool:
        """Whether Azure no longer has these machines."""
        return self.date <= datetime.datetime.now(datetime.UTC).date()


_GPU, _CPU = "Standard_NC4as_T4_v3", "Standard_D4as_v5"
_DATES: tuple[tuple[str, str, tuple[int, int, int], str], ...] = (
    # pattern of the size without Standard_, family, date, successor
    (r"NC(6|12|24)r?", "NC", (2023, 8, 31), _GPU),
    (r"NC(6|12|24)r?s_v2", "NCv2", (2023, 8, 31), "Standard_NC24ads_A100_v4"),
    (r"ND(6|12|24)r?s", "ND", (2023, 8, 31), "Standard_NC24ads_A100_v4"),
    (r"NV(6|12|24)", "NV", (2023, 8, 31), _GPU),
    (r"NC(6|12|24)r?s_v3", "NCv3", (2025, 9, 30), "Standard_NC24ads_A100_v4"),
    (r"ND40rs_v2", "NDv2", (2025, 9, 30), "Standard_NC24ads_A100_v4"),
    (r"NV(12|24|48)s_v3", "NVv3", (2026, 9, 30), _GPU),
    (r"NV(4|8|16|32)as_v4", "NVv4", (2026, 9, 30), _GPU),
    (r"DS?\d+(-\d+)?(_v2)?(_Promo)?", "D, DS, Dv2 and DSv2", (2028, 5, 1), _CPU),
    (r"L(4|8|16|32)s", "Ls", (2028, 5, 1), "Standard_L8s_v3"),
    (r"F\d+(s|s_v2)?", "F, Fs and Fsv2", (2028, 11, 15), _CPU),
    (r"A\d+m?_v2", "Av2", (2028, 11, 15), _CPU),
    (r"GS?[1-5](-\d+)?", "G and GS", (2028, 11, 15), "Standard_E16as_v5"),
    (r"L(8|16|32|48|64|80)s_v2", "Lsv2", (2028, 11, 15), "Standard_L8s_v3"),
    (r"B\d+l?m?s", "B", (2028, 11, 15), _CPU),
)


def find_retirement(size: str) -> Retirement | None:
    """Return when the family of a machine size ends, in the past or in the future; None if no end is announced.

    Examples
    --------
    >>> find_retirement("Standard_NC6s_v3").family
    'NCv3'
    >>> find_retirement("Standard_NC4as_T4_v3") is None
    True
    """
    name = re.sub(r"^standard_", "", size, flags=re.IGNORECASE)
    for pattern, family, date, successor in _DATES:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return Retirement(family, datetime.date(*date), successor)
    return None


def retirement_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each parameter that names a machine size which Azure has retired.

    Examples
    --------
    >>> retirement_faults({"gpu_vm_size": "Standard_NV4as_v4"})[0][:63]
    'gpu_vm_size: Azure retired the family NVv4 of Standard_NV4as_v4'
    """
    faults = []
    for name in PARAMETERS:
        size = values.get(name) or ""
        retirement = find_retirement(size)
        if retirement and retirement.has_passed:
            faults.append(
                f"{name}: Azure retired the family {retirement.family} of {size} on {retirement.date:%d %B %Y}. "
                f"Choose another size, such as {retirement.successor}."
            )
    return faults
