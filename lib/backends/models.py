"""The model registry: the versions of a use case's model, at most one of them tagged ``production``.

A tag marks the production version, because Azure's registry has no aliases. Moving the tag takes several writes, and a
process can die between any two writes. Each move is therefore recorded on the registered model first. Then the old
version loses the tag, and the new version receives it. The next reader completes an interrupted move, so two versions
never have the tag at the same time.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.backends.promotion_hold import PromotionHold, find_registered_model
from lib.errors import DataError, StageError
from lib.invocation import command

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

PRODUCTION = "production"
_PENDING_MOVE = "moving_production_to"
_SHA256 = "model_sha256"
_RETIRED_REASON, _RETIRED_AT = "retired_reason", "retired_at"


class ConcurrentPromotionError(StageError):
    """Another run promoted a version while this run evaluated its candidates."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes
    ----------
    version : str
        A whole number as text, as in MLflow.
    run_id : str
        The run that trained the model.
    source : str
        URI of the model's files.
    tags : dict of str
    """

    version: str
    run_id: str
    source: str
    tags: dict[str, str]

    @property
    def number(self) -> int:
        """The version as a number, for sorting: as text, "9" would follow "10"."""
        return int(self.version)

    @property
    def sha256(self) -> str:
        """SHA-256 of the model's files."""
        return self.tags[_SHA256]

    @property
    def is_production(self) -> bool:
        """Whether this version has the tag ``production``."""
        return PRODUCTION in self.tags


class ModelRegistry:
    """The versions of one registered model.

    Parameters
    ----------
    client : MlflowClient
    name : str
        Name of the registered model, which is the use case's name.
    has_aliases : bool
        Whether the registry supports aliases. If so, the alias ``production`` mirrors the tag.
    lock : callable
        Returns a context manager that keeps other runs from moving the tag; by default, nothing does.
    """

    def __init__(
        self,
        client: MlflowClient,
        name: str,
        has_aliases: bool = True,
        lock: Callable[[], AbstractContextManager] = nullcontext,
    ):
        self._client = client
        self.name = name
        self._has_aliases = has_aliases
        self._lock = lock

    @property
    def promotion_hold(self) -> PromotionHold:
        """The hold of promotions, by which monitoring keeps new versions out of production."""
        return PromotionHold(self._client, self.name)

    def versions(self) -> list[ModelVersion]:
        """Return all versions, oldest first."""
        results = self._client.search_model_versions(f"name = '{self.name}'")
        versions = [
            ModelVersion(str(result.version), result.run_id or "", result.source or "", dict(result.tags))
            for result in results
        ]
        return sorted(versions, key=lambda version: version.number)

    def production(self) -> ModelVersion | None:
        """Return the production version, after completing an interrupted move of the tag."""
        self.repair()
        return next((version for version in self.versions() if version.is_production), None)

    def register(self, run_id: str, source: str, sha256: str, tags: Mapping[str, str]) -> ModelVersion:
        """Register a run's model, or return the version that the run registered before.

        Parameters
        ----------
        run_id : str
        source : str
            URI of the model's files.
        sha256 : str
            SHA-256 of the model's files.
        tags : mapping of str
        """
        self._ensure_registered_model()
        for version in self.versions():
            if version.run_id == run_id:
                return version
        all_tags = {**tags, _SHA256: sha256}
        created = self._client.create_model_version(self.name, source=source, run_id=run_id, tags=all_tags)
        return ModelVersion(str(created.version), run_id, source, all_tags)

    def promote(self, version: str, expected_current: str | None = "") -> None:
        """Move the tag ``production`` to a version.

        Parameters
        ----------
        version : str
        expected_current : str or None
            The version that must still be in production; None if there was none. An empty string skips this check.

        Raises
        ------
        ConcurrentPromotionError
            If a version other than `expected_current` is in production now.
        DataError
            If the version no longer exists.
        """
        with self._lock():
            versions = self.versions()
            current = next((known.version for known in versions if known.is_production), None)
            if expected_current != "" and current not in (expected_current, version):
                raise ConcurrentPromotionError(
                    f"{self.name}: version {version} is not promoted, because another run changed the production "
                    f"version from {expected_current or 'none'} to {current or 'none'} during the evaluation. "
                    f"Evaluate again: {command('--from', 'evaluate')}"
                )
            if version not in [known.version for known in versions]:
                raise DataError(
                    f"{self.name}: version {version} is not promoted, because it no longer exists in the model "
                    f"registry. Evaluate again to register it: {command('--from', 'evaluate')}"
                )
            self._move_tag(version)

    def retire(self, version: str, reason: str) -> None:
        """Take the tag ``production`` away from a version, and record why in the version's tags.

        Parameters
        ----------
        version : str
        reason : str

        Raises
        ------
        DataError
            If the version is not in production.
        """
        with self._lock():
            tagged = [known.version for known in self.versions() if known.is_production]
            if version not in tagged:
                raise DataError(
                    f"{self.name}: version {version} is not in production, so it cannot be retired. In production: "
                    f"{', '.join(tagged) or 'none'}."
                )
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            for key, value in ((_RETIRED_REASON, reason), (_RETIRED_AT, now)):
                self._client.set_model_version_tag(self.name, version, key, value)
            self._client.delete_model_version_tag(self.name, version, PRODUCTION)
            if self._has_aliases:
                self._set_alias(None)

    def repair(self) -> str:
        """Complete an interrupted promotion, and fix tags and aliases that were edited by hand.

        Returns
        -------
        str
            A description of the repair; empty if nothing had to be repaired.
        """
        with self._lock():
            model = find_registered_model(self._client, self.name)
            if model is None:
                return ""
            return self._complete_pending_move(model) or self._fix_tags_and_alias(model)

    def _complete_pending_move(self, model: RegisteredModel) -> str:
        """Complete an interrupted move of the tag, and describe it; return an empty text if no move was interrupted."""
        version = model.tags.get(_PENDING_MOVE)
        if not version:
            return ""
        if version not in [known.version for known in self.versions()]:
            self._client.delete_registered_model_tag(self.name, _PENDING_MOVE)
            return f"An earlier promotion of version {version} was interrupted, and that version no longer exists."
        self._apply_pending_move(version)
        return f"An earlier promotion of version {version} was interrupted. It is complete now."

    def _fix_tags_and_alias(self, model: RegisteredModel) -> str:
        """Make sure that one version has both tag and alias, and describe the change; return an empty text if none."""
        tagged = [version.version for version in self.versions() if version.is_production]
        aliased = str(model.aliases.get(PRODUCTION, "")) if self._has_aliases else ""
        if len(tagged) > 1:
            remaining_version = aliased if aliased in tagged else max(tagged, key=int)
            self._move_tag(remaining_version)
            versions = ", ".join(tagged)
            return f"Versions {versions} all had the tag {PRODUCTION}. Only version {remaining_version} has it now."
        current = tagged[0] if tagged else None
        if self._has_aliases and aliased != (current or ""):
            self._set_alias(current)
            marked = (
                f"The alias {PRODUCTION} marked {_describe_version(aliased)}, and the tag {_describe_version(current)}"
            )
            return f"{marked}. The alias follows the tag now."
        return ""

    def _move_tag(self, version: str) -> None:
        """Record a move of the tag to a version, and then move the tag."""
        self._client.set_registered_model_tag(self.name, _PENDING_MOVE, version)
        self._apply_pending_move(version)

    def _apply_pending_move(self, version: str) -> None:
        """Move the tag and the alias to a version, and delete the record of the move."""
        for other in self.versions():
            if other.is_production and other.version != version:
                self._client.delete_model_version_tag(self.name, other.version, PRODUCTION)
        self._client.set_model_version_tag(self.name, version, PRODUCTION, "true")
        if self._has_aliases:
            self._set_alias(version)
        self._client.delete_registered_model_tag(self.name, _PENDING_MOVE)

    def _set_alias(self, version: str | None) -> None:
        """Move the alias to a version; with None, delete it."""
        if version is None:
            self._client.delete_registered_model_alias(self.name, PRODUCTION)
        else:
            self._client.set_registered_model_alias(self.name, PRODUCTION, version)

    def _ensure_registered_model(self) -> None:
        """Create the registered model if it does not exist."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _describe_version(version: str | None) -> str:
    return f"version {version}" if version else "no version"
