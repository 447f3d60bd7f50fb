"""Prices of machines: their age, and lists in the format of Azure's Retail Prices API."""

import datetime
import json

import pytest

from lib.backends.azureml import cost, prices
from lib.errors import ParameterError
from lib.parameters import Parameters, check, load
from lib.parameters.layers import BASE


def meter(size="Standard_D4as_v5", price=0.21, region="westeurope", **changes):
    """Return an item of the API; the defaults are a dedicated Linux machine."""
    return {
        "currencyCode": "USD", "retailPrice": price, "unitPrice": price, "armRegionName": region,
        "productName": "Virtual Machines Dasv5 Series", "skuName": "D4as v5", "meterName": "D4as v5",
        "armSkuName": size, "unitOfMeasure": "1 Hour", "type": "Consumption", **changes,
    }  # fmt: skip


OTHERS = [
    meter(price=0.04, skuName="D4as v5 Spot", meterName="D4as v5 Spot"),
    meter(price=0.05, skuName="D4as v5 Low Priority", meterName="D4as v5 Low Priority"),
    meter(price=0.39, productName="Virtual Machines Dasv5 Series Windows"),
    meter(price=1100.0, type="Reservation"),
    meter(price=0.15, type="DevTestConsumption"),
    meter(price=5.0, unitOfMeasure="1 GB/Month"),
    meter(price=9.0, armSkuName=""),
    meter(price=0.27, region="brazilsouth"),
]


@pytest.fixture
def parameters(tmp_path):
    """Return a function of the content of a price list and of changed parameters."""

    def make(content, **changes):
        file = tmp_path / "prices.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        prices.read_price_list.cache_clear()
        return Parameters({**load([]).values, "price_list": str(file), "location": "westeurope", **changes})

    return make


@pytest.mark.parametrize("wrap", [lambda items: {"Items": items}, list, lambda items: [{"Items": items}]])
def test_only_dedicated_linux_machines_of_the_region_count(parameters, wrap):
    known = prices.known_prices(parameters(wrap([*OTHERS, meter(price=0.2345)])))
    assert known["Standard_D4as_v5"] == 0.2345
    assert known["Standard_NC4as_T4_v3"] == load([]).values["prices_usd_per_hour"]["Standard_NC4as_T4_v3"]


def test_estimate_uses_the_price_list(parameters):
    given = parameters({"Items": [meter(size="Standard_NC4as_T4_v3", price=2.0)]}, max_cost_usd=None)
    (line,) = cost.estimate_cost(["train"], 60, lambda stage: "Standard_NC4as_T4_v3", given).lines
    assert "2 $/h" in line


def test_single_region_needs_no_location(parameters):
    assert prices.known_prices(parameters([meter(price=0.5)], location=""))["Standard_D4as_v5"] == 0.5


@pytest.mark.parametrize(
    ("content", "changes", "expected"),
    [
        ("not JSON", {}, "is not a list from Azure's Retail Prices API"),
        ({"error": "throttled"}, {}, "is not a list from Azure's Retail Prices API"),
        ("[1, 2]", {}, "is not a list from Azure's Retail Prices API"),
        ([meter(currencyCode="EUR")], {}, "prices in EUR; expected USD"),
        ([meter()], {"location": "eastus"}, "no prices for location eastus. Its regions are: westeurope"),
        ([meter(), meter(region="eastus")], {"location": ""}, "Its regions are: eastus, westeurope. Set location"),
    ],
)
def test_unusable_price_list_is_told(parameters, content, changes, expected):
    given = parameters(content, **changes)
    with pytest.raises(ParameterError, match=expected):
        prices.known_prices(given)
    assert any(expected in fault for fault in cost.faults(given))


def test_missing_price_list_is_told(parameters):
    given = parameters([], price_list="no/such.json")
    assert "price_list: no/such.json is not a list" in " ".join(cost.faults(given)).replace("\\", "/")


@pytest.mark.parametrize(("days", "is_old"), [(0, False), (180, False), (200, True), (3000, True)])
def test_old_prices_are_told(days, is_old):
    date = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=days)
    text = prices.describe_age(Parameters({**load([]).values, "prices_date": date.isoformat()}))
    assert date.isoformat() in text and ("older than six months" in text) == is_old


def test_missing_and_wrong_dates_are_told():
    assert "prices_date is empty" in prices.describe_age(Parameters({**load([]).values, "prices_date": ""}))
    (fault,) = prices.price_faults(Parameters({**load([]).values, "prices_date": "2026-13-01"}))
    assert "prices_date: '2026-13-01' is not a date" in fault


def test_former_name_of_spot_still_works():
    with pytest.warns(FutureWarning, match="vm_priority: low_priority is now called spot"):
        layers = load(["parameters/penguins.yaml"], ["vm_priority=low_priority"])
    assert check(layers)["vm_priority"] == "spot"


def test_machines_are_dedicated_by_default():
    azure = load(["parameters/penguins.yaml", "parameters/azureml.yaml"]).values
    assert azure["vm_priority"] == load([]).values["vm_priority"] == "dedicated"
    assert "low" not in BASE.read_text(encoding="utf-8").split("vm_priority:")[1].splitlines()[0]
