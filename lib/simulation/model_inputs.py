"""The inputs of a served model: which ones the request log has, and which values the endpoint accepts."""

from __future__ import annotations

from pathlib import Path

from lib.parameters import Parameters
from lib.scoring.columns import Column
from lib.scoring.model import read_model


class ModelInputs:
    """The columns of a model.

    Parameters
    ----------
    model_folder : Path
    parameters : Parameters
        ``private_columns`` and ``request_log_columns``.
    """

    def __init__(self, model_folder: Path, parameters: Parameters):
        self._columns: dict[str, Column] = {column.name: column for column in read_model(model_folder).columns}
        self._private = {*parameters.private_columns}
        self._logged = {*parameters.request_log_columns} or {*self._columns} - self._private

    @property
    def logged(self) -> list[str]:
        """Columns that the request log has, without private ones."""
        return [name for name in self._columns if name in self._logged and name not in self._private]

    def accepts_missing(self, name: str) -> bool:
        """Return whether requests may have null in a column."""
        return self._columns[name].nullable

    def accepts_unknown(self, name: str) -> bool:
        """Return whether requests may have a text in a column that training has not seen."""
        schema = self._columns[name].kind.json_schema
        return schema["type"] == "string" and "enum" not in schema and self._columns[name].kind.name == "text"
