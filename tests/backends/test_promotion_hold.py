"""The hold of promotions on a real MLflow: an alarm holds them until it is acknowledged, and never holds them again."""

import re
import shutil
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE

from lib.backends.promotion_hold import PromotionHold, find_registered_model
from lib.backends.tracking import Tracking
from lib.errors import DataError


@pytest.fixture(scope="module")
def client(empty_workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("holds")
    shutil.copy(empty_workspace / "mlflow.db", folder)
    return Tracking(f"sqlite:///{folder / 'mlflow.db'}").client


@pytest.fixture
def hold(client, request):
    name = re.sub(r"\W", "-", request.node.name)
    client.create_registered_model(name)
    return PromotionHold(client, name)


def test_no_alarm_holds_nothing(hold):
    assert hold.reason() == ""


def test_a_model_that_was_never_registered_is_not_held(client):
    hold = PromotionHold(client, "never")
    assert not hold.start("alarm 1", "drift of distance") and hold.reason() == ""
    with pytest.raises(DataError, match="never: no verdict holds promotions"):
        hold.acknowledge("Ada: known")
    assert find_registered_model(client, "never") is None


def test_an_alarm_holds_promotions_until_it_is_acknowledged(hold):
    assert hold.start("alarm 1", "drift of distance")
    assert hold.reason() == "drift of distance"
    assert hold.acknowledge("Ada: a new airport") == "drift of distance"
    assert hold.reason() == ""


def test_an_acknowledged_alarm_does_not_hold_again(hold):
    hold.start("alarm 1", "drift of distance")
    hold.acknowledge("Ada: a new airport")
    assert not hold.start("alarm 1", "drift of distance") and hold.reason() == ""
    assert hold.start("alarm 10", "drift of carrier") and hold.reason() == "drift of carrier"


def test_an_acknowledgement_records_who_and_why(hold, client):
    hold.start("alarm 1", "drift of distance")
    hold.acknowledge("Ada: a new airport")
    tags = find_registered_model(client, hold._name).tags
    assert tags["acknowledged"] == "alarm 1: Ada: a new airport"


def test_an_alarm_is_acknowledged_once(hold):
    hold.start("alarm 1", "drift of distance")
    hold.acknowledge("Ada: a new airport")
    with pytest.raises(DataError, match="nothing to acknowledge"):
        hold.acknowledge("Ada: again")


@pytest.mark.parametrize("code", [INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE])
def test_an_error_of_the_registry_is_not_taken_for_a_missing_model(code):
    def fail(name):
        raise MlflowException("out of order", error_code=code)

    with pytest.raises(MlflowException, match="out of order"):
        PromotionHold(SimpleNamespace(get_registered_model=fail), "shop").reason()
