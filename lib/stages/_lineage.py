"""The models that a decision is about: the version in production, and the champion that it replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.backends.models import ModelVersion


def describe_models(champion: ModelVersion | None, production: ModelVersion | None) -> dict[str, str]:
    """Return version and SHA-256 of the served model and of the champion that it replaced, as tags of the MLflow run.

    Parameters
    ----------
    champion : ModelVersion or None
        The version in production before the decision.
    production : ModelVersion or None
        The version in production after it.
    """
    tags: dict[str, str] = {}
    if production is not None:
        tags |= {"served_version": production.version, "served_sha256": production.sha256}
    if champion is not None and production is not None and champion.version != production.version:
        tags |= {"replaced_version": champion.version, "replaced_sha256": champion.sha256}
    return tags
