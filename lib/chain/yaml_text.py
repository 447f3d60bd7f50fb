"""Values as YAML, as people read and edit it."""

from __future__ import annotations

import sys
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """A dumper that writes a value that occurs twice in full, instead of with YAML anchors and aliases (``&id001``)."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(value: Any, on_one_line: bool = False) -> str:
    """Return a value as YAML without aliases.

    Examples
    --------
    >>> to_yaml({"key_columns": ["carrier", "flight"], "min_score": None}, on_one_line=True)
    '{key_columns: [carrier, flight], min_score: null}'
    """
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=on_one_line,
        width=sys.maxsize if on_one_line else 80,
    )
    return text.removesuffix("...\n").rstrip("\n") if on_one_line else text
