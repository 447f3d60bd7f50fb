"""The code that is saved with a model: `lib.scoring`, the model's features, and the modules that its pickle refers to.

It is written into the model's ``code/`` folder, which is sealed by the model's SHA-256 together with the pickle, and
everything that answers with the model runs on it: the endpoint's workers, batch scoring and Azure ML's deployments. A
model therefore never meets code that it was not tested with.
"""

from __future__ import annotations

import ast
import mmap
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from lib.paths import ROOT

# Packages that every model needs as a whole.
_ALWAYS = ("lib.scoring", "lib.schema", "lib.training.features")
# Names of modules in a pickle. It also matches other text, such as "matplotlib.figure", which names no module of ours.
_MODULE_NAME = re.compile(rb"lib(?:\.[A-Za-z_]\w*)+")


def write(folder: Path, pickle_file: Path) -> None:
    """Write the code that a model needs into its folder.

    A package whose own ``__init__`` is not needed gets an empty one, since the real one may import much: that of
    ``lib.training`` imports its catalogue.

    Parameters
    ----------
    folder : Path
        The model folder; ``code/lib`` is made in it.
    pickle_file : Path
        The pickled estimator.
    """
    needed = with_imports({"lib", *_modules_of_packages(), *modules_named_in(pickle_file)})
    for name in sorted(needed):
        source = _file_of(name)
        assert source is not None, name
        target = folder / "code" / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for name in sorted({parent for module in needed for parent in _parents(module)} - needed):
        folder.joinpath("code", *name.split("."), "__init__.py").touch()


def modules_named_in(pickle_file: Path) -> set[str]:
    """Return the modules of ``lib`` that a pickle refers to, and perhaps a few more.

    The bytes are searched instead of the opcodes, because references also occur inside of nested pickles and of
    functions that cloudpickle writes by value.
    """
    with pickle_file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = {match.decode() for match in _MODULE_NAME.findall(content)}
    return {module for name in names if (module := _longest_module(name)) != "lib"}


def with_imports(modules: set[str]) -> set[str]:
    """Return modules together with those of ``lib`` that they import, directly or not, wherever the import stands."""
    needed: set[str] = set()
    remaining = set(modules)
    while remaining:
        name = remaining.pop()
        needed.add(name)
        remaining |= set(_imports_of(name)) - needed
    return needed


def _imports_of(module: str) -> Iterator[str]:
    source = _file_of(module)
    assert source is not None, module
    for node in _walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _file_of(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _file_of(node.module):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if _file_of(submodule) else node.module


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below a node, except those in ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _walk(child)


def _modules_of_packages() -> Iterator[str]:
    for package in _ALWAYS:
        for file in ROOT.joinpath(*package.split(".")).rglob("*.py"):
            yield ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _file_of(module: str) -> Path | None:
    """Return the file of a module of ``lib``; None if there is no such module."""
    parts = module.split(".")
    if parts[0] != "lib":
        return None
    path = ROOT.joinpath(*parts)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _longest_module(name: str) -> str:
    """Return the longest beginning of a dotted name that is a module of ``lib``."""
    while not _file_of(name):
        name = name.rpartition(".")[0]
    return name


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module
