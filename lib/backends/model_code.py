"""The code that is saved with a model: `lib.scoring`, the model's features, and the modules that its pickle refers to.

The customer's modules in ``custom/`` that the pickle refers to are saved as well. The code is written into the
model's ``code/`` folder; the model's SHA-256 covers the folder as well as the pickle. The
endpoint's workers, batch scoring and Azure ML's deployments run this code. A model is therefore always used with the
code that it was tested with.
"""

from __future__ import annotations

import ast
import mmap
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from lib import extensions
from lib.errors import CodeError
from lib.extensions import CUSTOM_PACKAGE
from lib.paths import ROOT, display_path

# Every model needs all modules of these packages.
_REQUIRED_PACKAGES = ("lib.scoring", "lib.schema", "lib.training.features")
# The name of a module in a pickle. Parts of other names, such as "lib.figure" in "matplotlib.figure", match too.
_MODULE_NAME = re.compile(rb"(?:lib|custom)(?:\.[A-Za-z_]\w*)+")
_ROOT_PACKAGES = ("lib", CUSTOM_PACKAGE)


def write(folder: Path, pickle_file: Path) -> None:
    """Write the code that a model needs into its folder.

    A package gets an empty ``__init__`` if nothing imports the package itself, because the real ``__init__`` may import
    much more code.

    Parameters
    ----------
    folder : Path
        The model folder; ``code/lib`` is created in it.
    pickle_file : Path
        The pickled estimator.
    """
    module_names = add_imported_modules({"lib", *_required_modules(), *modules_named_in(pickle_file)})
    for name in sorted(module_names):
        source = _source_file(name)
        assert source is not None, name
        target = folder / "code" / _relative_path(name, source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    # The folders of `custom` stay without ``__init__``, so that Python also finds modules that are not in the model.
    for name in sorted({parent for module in module_names for parent in _parent_packages(module)} - module_names):
        if name.partition(".")[0] != CUSTOM_PACKAGE:
            folder.joinpath("code", *name.split("."), "__init__.py").touch()


def modules_named_in(pickle_file: Path) -> set[str]:
    """Return all modules of ``lib`` and ``custom`` that a pickle refers to, and perhaps a few others.

    The bytes are searched instead of the opcodes, because references also occur inside nested pickles and inside
    functions that cloudpickle writes by value.
    """
    with pickle_file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = {match.decode() for match in _MODULE_NAME.findall(content)}
    return {module for name in names if (module := _module_in_name(name)) not in ("", *_ROOT_PACKAGES)}


def add_imported_modules(modules: set[str]) -> set[str]:
    """Return modules together with all modules of ``lib`` and ``custom`` that they import, directly or indirectly.

    Imports inside functions count, too; imports for type checkers only do not.
    """
    needed: set[str] = set()
    remaining = set(modules)
    while remaining:
        name = remaining.pop()
        needed.add(name)
        remaining |= set(_imported_modules(name)) - needed
    return needed


def _imported_modules(module: str) -> Iterator[str]:
    """Yield the modules of ``lib`` and ``custom`` that a module imports directly."""
    source = _source_file(module)
    assert source is not None, module
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise CodeError(extensions.describe_failure(error, display_path(source))) from error
    for node in _nodes_for_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _source_file(alias.name))
        elif isinstance(node, ast.ImportFrom):
            package = _imported_package(node, module, source)
            for alias in node.names:
                submodule = f"{package}.{alias.name}"
                if _source_file(submodule):
                    yield submodule
                elif _source_file(package):
                    yield package


def _imported_package(node: ast.ImportFrom, module: str, source: Path) -> str:
    """Return the absolute name of the module that a statement ``from ... import`` imports from."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    kept_count = len(parts) - node.level + (source.name == "__init__.py")
    return ".".join([*parts[:kept_count], *filter(None, [node.module])])


def _nodes_for_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all syntax nodes below a node, except those in ``if TYPE_CHECKING`` statements."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _nodes_for_run_time(child)


def _required_modules() -> Iterator[str]:
    """Yield the modules of the packages that every model needs."""
    for package in _REQUIRED_PACKAGES:
        for file in ROOT.joinpath(*package.split(".")).rglob("*.py"):
            yield ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _source_file(module: str) -> Path | None:
    """Return the file of a module of ``lib`` or ``custom``; None if there is no such module."""
    parts = module.split(".")
    if parts[0] == CUSTOM_PACKAGE:
        return extensions.find_source(module)
    if parts[0] != "lib":
        return None
    path = ROOT.joinpath(*parts)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _relative_path(module: str, source: Path) -> Path:
    """Return the path of a module's source below the folder from which Python imports it."""
    folder = extensions.CUSTOM_FOLDER.parent if module.partition(".")[0] == CUSTOM_PACKAGE else ROOT
    return source.relative_to(folder)


def _module_in_name(name: str) -> str:
    """Return the longest beginning of a dotted name that is a module of ``lib`` or ``custom``, or an empty text."""
    while name and not _source_file(name):
        name = name.rpartition(".")[0]
    return name


def _parent_packages(module: str) -> Iterator[str]:
    """Yield the packages that contain a module, innermost first."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module
