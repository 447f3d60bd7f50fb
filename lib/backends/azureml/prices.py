"""The prices of machines: the parameter ``prices_usd_per_hour``, and a list saved from Azure's Retail Prices API.

All prices are those of dedicated machines. The price of a spot machine varies and can rise up to the dedicated one, so
the dedicated price is the most that can be charged.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import ParameterError
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    from lib.parameters import Parameters

MAX_AGE_DAYS = 183
_NOT_DEDICATED = ("spot", "low priority")


def known_prices(parameters: Parameters) -> dict[str, float]:
    """Return the price of each machine in US dollars per hour.

    A price of the file ``price_list`` takes precedence over one in ``prices_usd_per_hour``.

    Raises
    ------
    ParameterError
        If ``price_list`` cannot be used.
    """
    given = parameters.get("prices_usd_per_hour") or {}
    # Names with a slash are prices of low-priority machines, which Azure no longer has.
    prices = {machine: price for machine, price in given.items() if "/" not in machine}
    if parameters.get("price_list"):
        prices |= read_price_list(resolve(parameters.price_list), parameters.get("location") or "")
    return prices


def age_days(parameters: Parameters) -> int | None:
    """Return how many days ago ``prices_date`` was; None if it is empty."""
    text = parameters.get("prices_date") or ""
    if not text:
        return None
    return (datetime.datetime.now(datetime.UTC).date() - datetime.date.fromisoformat(text)).days


def price_faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each fault in ``prices_usd_per_hour``, ``prices_date`` and ``price_list``."""
    given = parameters.get("prices_usd_per_hour") or {}
    faults = [
        f"prices_usd_per_hour: {machine} has the price {price!r}; expected US dollars per hour, e.g. {machine}: 0.5"
        for machine, price in given.items()
        if isinstance(price, bool) or not isinstance(price, (int, float)) or price < 0
    ]
    try:
        age_days(parameters)
    except ValueError:
        faults.append(f"prices_date: {parameters.prices_date!r} is not a date; expected one such as 2026-11-22.")
    try:
        known_prices(parameters)
    except ParameterError as error:
        faults += error.faults
    return faults


def describe_age(parameters: Parameters) -> str:
    """Return a clause on the date of the prices; it says what to do if they are old."""
    days = age_days(parameters)
    if days is None:
        return "prices_date is empty, so nobody knows how old the prices are: set it"
    clause = f"the prices are of {parameters.prices_date}"
    if days <= MAX_AGE_DAYS:
        return clause
    return (
        f"{clause}, older than six months: enter today's in prices_usd_per_hour, or save a price_list "
        "(docs/azure.md), and set prices_date"
    )


@functools.lru_cache(maxsize=4)
def read_price_list(file: Path, location: str) -> dict[str, float]:
    """Return the prices of a file in the format of the Retail Prices API, in US dollars per hour.

    Of the meters of a machine size, that of dedicated Linux machines without a reservation counts.
    https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices

    Parameters
    ----------
    file : Path
        JSON: a reply of the API with ``Items``, or a list of its items or of its replies.
    location : str
        Region; empty if the file has the prices of a single one.

    Raises
    ------
    ParameterError
        If the file is missing or not such a list, has another currency, or has no price of the region.
    """
    name = display_path(file)
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        items = list(_items(content))
        meters = [item for item in items if _is_dedicated_linux(item)]
        regions = {item["armRegionName"].lower() for item in meters}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ParameterError(
            f"price_list: {name} is not a list from Azure's Retail Prices API ({type(error).__name__}: {error}). "
            "docs/azure.md has the command that saves one."
        ) from error
    if currencies := {item.get("currencyCode", "USD") for item in meters} - {"USD"}:
        raise ParameterError(f"price_list: {name} has prices in {', '.join(sorted(currencies))}; expected USD.")
    region = location.replace(" ", "").lower()
    if not region and len(regions) == 1:
        (region,) = regions
    if region not in regions:
        known = ", ".join(sorted(regions)) or "none"
        wanted = f"location {location}" if location else "an empty location"
        raise ParameterError(f"price_list: {name} has no prices for {wanted}. Its regions are: {known}. Set location.")
    prices: dict[str, float] = {}
    for item in meters:
        if item["armRegionName"].lower() == region:
            size = item["armSkuName"]
            prices[size] = max(prices.get(size, 0.0), float(item["retailPrice"]))
    return prices


def _items(content: Any) -> Iterable[Mapping[str, Any]]:
    """Yield the items of a reply, of a list of replies, or of a list of items."""
    if isinstance(content, Mapping) and "Items" in content:
        yield from content["Items"]
    elif isinstance(content, list):
        for element in content:
            if "Items" in element:
                yield from element["Items"]
            else:
                yield element
    else:
        raise ValueError("it has no Items")


def _is_dedicated_linux(item: Mapping[str, Any]) -> bool:
    """Return whether an item is the hourly price of a dedicated Linux machine."""
    texts = f"{item.get('skuName', '')} {item.get('meterName', '')}".lower()
    return (
        item.get("type", "Consumption") == "Consumption"
        and item.get("unitOfMeasure", "1 Hour") == "1 Hour"
        and bool(item["armSkuName"])
        and "windows" not in item.get("productName", "").lower()
        and "cloud services" not in item.get("productName", "").lower()
        and not any(word in texts for word in _NOT_DEDICATED)
    )
