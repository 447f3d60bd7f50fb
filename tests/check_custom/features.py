"""Checks of features: the module can be used, and imports nothing of lib that does not travel with a model."""

import ast

from lib import extensions
from lib.errors import MillraceError
from lib.paths import display_path
from lib.stages import _features

_TRAVELLING = ("lib.schema", "lib.scoring", "lib.training.features")


def find_faults(name):
    """Return why a module of features cannot be used, or what it must not import."""
    try:
        _features.make_step(type("Hooks", (), {"features": lambda self: name})())
    except MillraceError as error:
        return [str(error)]
    extension = next(found for found in extensions.find_extensions("lib.features") if found.name == name)
    if extension.file is None:
        return []
    faults = []
    for node in ast.walk(ast.parse(extension.file.read_text(encoding="utf-8"))):
        for module in _imported(node):
            if module.partition(".")[0] == "lib" and not module.startswith(_TRAVELLING):
                faults.append(
                    f"{display_path(extension.file)}, line {node.lineno}: imports {module}, which does not travel with "
                    f"a model. Import only {', '.join(_TRAVELLING)}."
                )
    return faults


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
