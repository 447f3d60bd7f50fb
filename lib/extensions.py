"""The customer's own code: modules in ``custom/``, and packages that are installed beside Millrace.

The folder ``custom/training`` continues ``lib/training``, ``custom/metrics`` continues ``lib/metrics``, and so on. An
installed package adds entries with the entry points of a group such as ``millrace.training``:

    [project.entry-points."millrace.training"]
    ridge = "acme_models.ridge"

Nothing here imports an entry, so a faulty module can only disturb the use case that uses it.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lib.errors import CodeError, MillraceError
from lib.paths import ROOT, display_path

CUSTOM_FOLDER = ROOT / "custom"
CUSTOM_PACKAGE = "custom"
_LIBRARY_PACKAGE = "lib."
# The folders of `custom`, and the groups of entry points.
AREAS = ("pipelines", "features", "training", "metrics", "stages", "automl")
_ENTRY_POINT_GROUP = "millrace."
_INSTALL = "List its package in custom/requirements.txt and run `make install`, or correct the import of {package}."


@dataclass(frozen=True)
class Extension:
    """A module of the customer that a catalogue knows by name.

    Attributes
    ----------
    name : str
        The name in the parameters.
    module : str
        The name for an import, e.g. ``"custom.training.ridge"``.
    origin : str
        Where the entry comes from, for messages: its file, or the installed package.
    attribute : str
        The object of the module that an entry point names; empty for the catalogue's usual name.
    file : Path or None
        The source file, for a module in ``custom/``.
    distribution : str
        The installed package and its version, e.g. ``"acme-models 1.2"``; empty for a module in ``custom/``.
    """

    name: str
    module: str
    origin: str
    attribute: str = ""
    file: Path | None = None
    distribution: str = ""

    def find_source(self) -> Path | None:
        """Return the source file; None if an installed module cannot be found or has no source file."""
        if self.file is not None:
            return self.file
        try:
            spec = importlib.util.find_spec(self.module)  # imports the packages that contain the module
        except Exception:  # the import of the entry reports the error
            return None
        return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None

    def import_module(self) -> ModuleType:
        """Import the module.

        Raises
        ------
        CodeError
            If the import fails. The message gives the file and the line.
        """
        try:
            module = importlib.import_module(self.module)
        except MillraceError:
            raise
        except Exception as error:
            raise CodeError(f"{describe_failure(error, self.origin)}. {self._advise(error)}") from error
        if self.file is not None and Path(module.__file__ or "").resolve() != self.file.resolve():
            raise CodeError(
                f"{self.origin} cannot be imported as {self.module}, because Python finds {module.__file__} first. "
                f"Rename the file, or remove the other folder named {CUSTOM_PACKAGE} from Python's search path."
            )
        return module

    def _advise(self, error: Exception) -> str:
        if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(CUSTOM_PACKAGE):
            return _INSTALL.format(package=error.name.partition(".")[0])
        return "Correct the file; only use cases that name it are affected."


def find_extensions(package: str) -> list[Extension]:
    """Return the customer's entries of a catalogue, those in ``custom/`` first.

    Parameters
    ----------
    package : str
        The catalogue, e.g. ``"lib.training"``.
    """
    area = package.removeprefix(_LIBRARY_PACKAGE)
    if not package.startswith(_LIBRARY_PACKAGE) or area not in AREAS:
        return []
    return [*_find_custom_modules(area), *_find_entry_points(f"{_ENTRY_POINT_GROUP}{area}")]


def _find_custom_modules(area: str) -> Iterator[Extension]:
    """Yield the modules and packages in a folder of ``custom/``, sorted by name."""
    folder = CUSTOM_FOLDER / area
    for module in sorted(pkgutil.iter_modules([str(folder)]), key=lambda module: module.name):
        if not module.name.startswith("_"):
            file = folder / module.name / "__init__.py" if module.ispkg else folder / f"{module.name}.py"
            import_name = f"{CUSTOM_PACKAGE}.{area}.{module.name}"
            yield Extension(module.name, import_name, display_path(file), file=file)


def _find_entry_points(group: str) -> Iterator[Extension]:
    """Yield the entries that installed packages declare, sorted by name."""
    for point in sorted(_read_entry_points().select(group=group), key=lambda point: point.name):
        package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.module
        origin = f"{point.value} of the installed package {package}"
        yield Extension(point.name, point.module, origin, point.attr, distribution=package)


@functools.cache
def _read_entry_points():  # type: ignore[no-untyped-def]  # importlib.metadata is slow to import
    from importlib.metadata import entry_points

    return entry_points()


def find_source(module: str) -> Path | None:
    """Return the file of a module in ``custom/``; None if there is no such module."""
    parts = module.split(".")
    if parts[0] != CUSTOM_PACKAGE:
        return None
    path = CUSTOM_FOLDER.joinpath(*parts[1:])
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def list_custom_files() -> list[Path]:
    """Return all files in ``custom/`` that belong to the project, sorted; caches are left out."""
    return sorted(
        file
        for file in CUSTOM_FOLDER.rglob("*")
        if file.is_file()
        and not any(part.startswith((".", "__pycache__")) for part in file.relative_to(CUSTOM_FOLDER).parts)
    )


def describe_failure(error: Exception, origin: str) -> str:
    """Return the file and line of the customer's code that raised an error, and the error.

    Parameters
    ----------
    error : Exception
    origin : str
        The file or package to name if no line of the customer's code is known.
    """
    message = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}".rstrip(".")
    if isinstance(error, SyntaxError) and error.filename:
        return f"{display_path(error.filename)}, line {error.lineno}: {message}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve().is_relative_to(CUSTOM_FOLDER.resolve())
    ]
    return (
        f"{display_path(frames[-1].filename)}, line {frames[-1].lineno}: {message}"
        if frames
        else f"{origin}: {message}"
    )


def find_code_fault(file: Path, names: tuple[str, ...], contents: str) -> str:
    """Return why a module cannot be used, as far as its text shows; empty if it can be.

    Parameters
    ----------
    file : Path
        A module of the customer. It is parsed, not imported: an import of pandas would take longer than all checks.
    names : tuple of str
        The names of which the module must define one; if empty, any content is accepted.
    contents : str
        What the module has to contain, for the message, e.g. ``"a function train(X, y, request)"``.
    """
    path = display_path(file)
    try:
        body = ast.parse(file.read_text(encoding="utf-8"), filename=str(file)).body
    except (SyntaxError, ValueError) as error:
        return f"{describe_failure(error, path)}. Correct the file; only use cases that name it are affected."
    for statement in body:
        for package in _imported_packages(statement):
            if not _is_installed(package):
                return (
                    f"{path}, line {statement.lineno}: imports {package}, which is not installed. "
                    + _INSTALL.format(package=package)
                )
    if names and not set(names) & set(_defined_names(body)):
        return f"{path} defines no {contents}. Defined: {', '.join(_defined_names(body)) or 'nothing'}."
    return ""


def _imported_packages(statement: ast.stmt) -> list[str]:
    """Return the top-level packages that a statement imports."""
    if isinstance(statement, ast.Import):
        return [alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
        return [statement.module.partition(".")[0]]
    return []


def _is_installed(package: str) -> bool:
    """Return whether Python finds a top-level package, without importing it."""
    if package in sys.modules or package in (CUSTOM_PACKAGE, "__future__"):
        return True
    return importlib.util.find_spec(package) is not None


def _defined_names(body: list[ast.stmt]) -> list[str]:
    """Return the names that the statements of a module define, without private ones."""
    names: list[str] = []
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(statement.name)
        elif isinstance(statement, ast.Assign):
            names += [target.id for target in statement.targets if isinstance(target, ast.Name)]
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.append(statement.target.id)
        elif isinstance(statement, ast.ImportFrom):
            names += [alias.asname or alias.name for alias in statement.names]
        elif isinstance(statement, ast.If | ast.Try):
            names += _defined_names(statement.body)
    return [name for name in names if not name.startswith("_")]
