"""A hold of promotions: after an alarm, nothing is promoted until somebody acknowledges the alarm.

The hold is stored in tags of the registered model, so that every run and every machine sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.errors import DataError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

_HELD_ALARM, _HELD_REASON, _ACKNOWLEDGED = "held_alarm", "held_reason", "acknowledged"


class PromotionHold:
    """The hold of the promotions of one registered model.

    Parameters
    ----------
    client : MlflowClient
    name : str
        Name of the registered model.
    """

    def __init__(self, client: MlflowClient, name: str):
        self._client, self._name = client, name

    def start(self, alarm: str, reason: str) -> bool:
        """Let nothing be promoted until somebody acknowledges an alarm; return whether that is so now.

        Parameters
        ----------
        alarm : str
            Identifies the alarm: one that was acknowledged does not hold promotions again.
        reason : str
        """
        model = find_registered_model(self._client, self._name)
        if model is None or model.tags.get(_ACKNOWLEDGED, "").startswith(f"{alarm}: "):
            return False
        self._client.set_registered_model_tag(self._name, _HELD_REASON, reason)
        self._client.set_registered_model_tag(self._name, _HELD_ALARM, alarm)
        return True

    def reason(self) -> str:
        """Return why nothing may be promoted; empty if nothing holds promotions."""
        model = find_registered_model(self._client, self._name)
        return model.tags.get(_HELD_REASON, "") if model is not None and model.tags.get(_HELD_ALARM) else ""

    def acknowledge(self, who_and_why: str) -> str:
        """End the hold, record who acknowledged the alarm and why, and return the reason of the hold.

        Raises
        ------
        DataError
            If nothing holds promotions.
        """
        model = find_registered_model(self._client, self._name)
        alarm = model.tags.get(_HELD_ALARM, "") if model is not None else ""
        if model is None or not alarm:
            raise DataError(f"{self._name}: no verdict holds promotions, so there is nothing to acknowledge.")
        self._client.set_registered_model_tag(self._name, _ACKNOWLEDGED, f"{alarm}: {who_and_why}")
        self._client.set_registered_model_tag(self._name, _HELD_ALARM, "")
        return model.tags.get(_HELD_REASON, "")


def find_registered_model(client: MlflowClient, name: str) -> RegisteredModel | None:
    """Return a registered model; None if no version of it was ever registered."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
