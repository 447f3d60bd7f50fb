"""The model registry: versions of a use case's model, one of which bears the tag ``production``.

The tag, not the alias, says which one: Azure's registry has no aliases. Moving it takes several writes, and a
crash can fall between any two. So the move is first written down at the registered model (`_MOVING`), then
the old version loses the tag, then the new one gets it; whoever looks next finishes a move that is still
written down. At no moment do two versions bear the tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from lib.errors import DataError, StageError

PRODUCTION = "production"
_MOVING = "moving_production_to"
_SHA256 = "model_sha256"


class ProductionMoved(StageError):
    """Another run has put a version into production while this one compared with the one before."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes
    ----------
    version : str
        A whole number as text, as MLflow has it.
    run_id : str
        The run that trained it.
    source : str
        URI of its files.
    tags : dict of str
    """

    version: str
    run_id: str
    source: str
    tags: dict[str, str]

    @property
    def number(self) -> int:
        """Version as a number: as text, "9" would come after "10"."""
        return int(self.version)

    @property
    def sha256(self) -> str:
        """SHA-256 of its files."""
        return self.tags[_SHA256]


class ModelRegistry:
    """Versions of one registered model.

    Parameters
    ----------
    client : MlflowClient
    name : str
        Of the registered model, which is the use case's.
    aliases : bool
        Whether this registry has aliases; where it has, ``production`` follows the tag.
    alone : callable
        Gives a context in which no other run moves the tag, where the backend can.
    """

    def __init__(
        self, client: Any, name: str, aliases: bool = True, alone: Callable[[], AbstractContextManager] = nullcontext
    ):
        self._client = client
        self.name = name
        self._aliases = aliases
        self._alone = alone

    def versions(self) -> list[ModelVersion]:
        """All versions, oldest first."""
        found = self._client.search_model_versions(f"name = '{self.name}'")
        versions = [ModelVersion(str(one.version), one.run_id, one.source, dict(one.tags)) for one in found]
        return sorted(versions, key=lambda one: one.number)

    def production(self) -> ModelVersion | None:
        """Version that bears the tag, after finishing a move that was cut off."""
        self.repair()
        return next((one for one in self.versions() if PRODUCTION in one.tags), None)

    def register(self, run_id: str, source: str, sha256: str, tags: Mapping[str, str]) -> ModelVersion:
        """Version of a run's model; the same run gives the same version again.

        Parameters
        ----------
        run_id, source, sha256 : str
            The run, the URI of the model's files and their SHA-256.
        tags : mapping of str
        """
        self._make()
        for version in self.versions():
            if version.run_id == run_id:
                return version
        all_tags = {**tags, _SHA256: sha256}
        made = self._client.create_model_version(self.name, source=source, run_id=run_id, tags=all_tags)
        return ModelVersion(str(made.version), run_id, source, all_tags)

    def promote(self, version: str, instead_of: str | None = "") -> None:
        """Move the tag ``production`` to a version.

        Parameters
        ----------
        version : str
        instead_of : str or None
            The version it was compared with, which must still be in production; None where none was, empty
            where that does not matter.

        Raises
        ------
        ProductionMoved
            Where another run has moved the tag meanwhile.
        DataError
            Where there is no such version any more.
        """
        with self._alone():
            known = self.versions()
            now = next((one.version for one in known if PRODUCTION in one.tags), None)
            if instead_of != "" and now not in (instead_of, version):
                raise ProductionMoved(
                    f"Another run put version {now or 'none'} of {self.name} into production while this one compared "
                    f"with version {instead_of or 'none'}. Run evaluate again: run_all.py --from evaluate."
                )
            if version not in [one.version for one in known]:
                raise DataError(f"There is no version {version} of the model {self.name}, so it is not promoted.")
            self._move(version)

    def repair(self) -> str:
        """Finish a move that was cut off, and mend what hands have changed.

        Returns
        -------
        str
            What was done, for the record; empty where all was well.
        """
        with self._alone():
            return self._repair()

    def _repair(self) -> str:
        model = self._model()
        if model is None:
            return ""
        moving = model.tags.get(_MOVING)
        if moving and moving not in [one.version for one in self.versions()]:
            self._client.delete_registered_model_tag(self.name, _MOVING)
            return f"An earlier promotion of version {moving} was cut off, and that version is gone since."
        if moving:
            self._finish_move(moving)
            return f"An earlier promotion of version {moving} was cut off; it is finished now."
        tagged = [one.version for one in self.versions() if PRODUCTION in one.tags]
        aliased = str(model.aliases.get(PRODUCTION, "")) if self._aliases else ""
        if len(tagged) > 1:
            kept = aliased if aliased in tagged else max(tagged, key=int)
            self._move(kept)
            return f"Versions {', '.join(tagged)} bore the tag {PRODUCTION}; version {kept} keeps it."
        if self._aliases and aliased != "".join(tagged):
            self._set_alias(tagged[0] if tagged else None)
            now = "".join(tagged) or "none"
            return f"The alias {PRODUCTION} followed the tag from version {aliased or 'none'} to {now}."
        return ""

    def _move(self, version: str) -> None:
        self._client.set_registered_model_tag(self.name, _MOVING, version)
        self._finish_move(version)

    def _finish_move(self, version: str) -> None:
        for one in self.versions():
            if PRODUCTION in one.tags and one.version != version:
                self._client.delete_model_version_tag(self.name, one.version, PRODUCTION)
        self._client.set_model_version_tag(self.name, version, PRODUCTION, "true")
        if self._aliases:
            self._set_alias(version)
        self._client.delete_registered_model_tag(self.name, _MOVING)

    def _set_alias(self, version: str | None) -> None:
        if version is None:
            self._client.delete_registered_model_alias(self.name, PRODUCTION)
        else:
            self._client.set_registered_model_alias(self.name, PRODUCTION, version)

    def _model(self) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _make(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
