"""Catalogues of names, paths, and errors that say how to fix the problem."""

import ast
import pickle
import sys

import pytest

from lib import catalogue, errors, paths
from lib.errors import DataError, MillraceError, NameNotFound, ParameterError, suggest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Create an importable package with two modules, a private module and a subpackage."""
    folder = tmp_path / "orchard"
    (folder / "sweet").mkdir(parents=True)
    for name in ("__init__", "pear", "apple", "_seed", "sweet/__init__"):
        (folder / f"{name}.py").write_text("import nothing_there" if name == "pear" else f"NAME = {name!r}")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchard"]:
        del sys.modules[name]


class TestCatalogue:
    def test_names_are_sorted_without_private_modules(self, package):
        assert catalogue.names("orchard") == ["apple", "pear"]
        assert catalogue.names("orchard", are_folders=True) == ["sweet"]

    def test_listing_imports_no_entry(self, package):
        catalogue.names("orchard")
        assert "orchard.pear" not in sys.modules

    def test_load_imports_the_named_entry(self, package):
        assert catalogue.load("orchard", "apple", "fruit").NAME == "apple"
        assert catalogue.load("orchard", "sweet", "fruit", are_folders=True).NAME == "sweet/__init__"

    def test_unknown_name_suggests_the_nearest(self, package):
        with pytest.raises(NameNotFound, match="no fruit 'aple' in orchard/. Did you mean 'apple'. Known: apple, pear"):
            catalogue.load("orchard", "aple", "fruit")

    @pytest.mark.parametrize("name", ["_seed", "sweet", "", "..errors"])
    def test_unlisted_modules_cannot_be_loaded(self, package, name):
        with pytest.raises(NameNotFound):
            catalogue.load("orchard", name, "fruit")

    def test_import_error_of_an_entry_is_not_hidden(self, package):
        with pytest.raises(ModuleNotFoundError, match="nothing_there"):
            catalogue.load("orchard", "pear", "fruit")


class TestPaths:
    def test_relative_path_starts_at_the_project(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert paths.resolve("data/x.csv") == paths.ROOT / "data" / "x.csv"
        assert (paths.ROOT / "lib" / "paths.py").is_file()

    def test_absolute_and_home_paths_are_kept(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert paths.resolve(tmp_path / "x") == paths.resolve("~/x") == tmp_path / "x"

    def test_resolve_existing_returns_the_path(self, tmp_path):
        assert paths.resolve_existing(str(tmp_path)) == tmp_path

    def test_misspelt_file_suggests_the_nearest(self, tmp_path):
        (tmp_path / "flights.csv").touch()
        with pytest.raises(DataError, match=r"no file .*flight.csv.*Did you mean 'flights.csv'"):
            paths.resolve_existing(tmp_path / "flight.csv")

    def test_file_in_a_missing_folder_is_an_error(self, tmp_path):
        with pytest.raises(DataError, match="no file"):
            paths.resolve_existing(tmp_path / "no" / "such" / "folder.csv")

    def test_display_path_is_relative_to_the_project(self, tmp_path):
        assert paths.display_path(paths.ROOT / "lib" / ".." / "data") == "data"
        assert paths.display_path(tmp_path) == str(tmp_path.resolve())


class TestSuggest:
    def test_nearest_name_ignores_case(self):
        assert suggest("ROC_AUK", ["f1", "Roc_auc"]) == "Did you mean 'Roc_auc'? Known: f1, Roc_auc."

    def test_distant_names_are_not_suggested(self):
        assert suggest("zebra", ["f1", "r2"]) == "Known: f1, r2."

    def test_no_known_names(self):
        assert suggest("x", []) == "Known: none."

    def test_long_list_is_shortened(self):
        assert suggest("x", map(str, range(40)), max_names=3) == "Known: 0, 1, 2 and 37 more."

    def test_names_need_not_be_strings(self):
        assert suggest(0, [1.5, None, True]) == "Known: 1.5, None, True."
        assert suggest(None, ["None"]) == "Did you mean 'None'? Known: None."


class TestErrors:
    error_types = [
        member for member in vars(errors).values() if isinstance(member, type) and issubclass(member, MillraceError)
    ]

    @pytest.mark.parametrize("error_type", error_types)
    def test_errors_can_be_pickled(self, error_type):
        # Kernels and test workers send errors to another process.
        error = error_type("column", "yeer", ["year"]) if error_type is NameNotFound else error_type("Fix it.")
        restored = pickle.loads(pickle.dumps(error))
        assert type(restored) is error_type
        assert str(restored) == str(error)
        assert restored.exit_code == error.exit_code

    def test_several_faults_can_be_pickled(self):
        restored = pickle.loads(pickle.dumps(ParameterError(["first.", "second."])))
        assert restored.faults == ["first.", "second."]
        assert str(restored) == "2 parameters cannot be used:\n  - first.\n  - second."

    def test_single_fault_is_the_message(self):
        assert str(ParameterError("first.")) == str(ParameterError(iter(["first."]))) == "first."

    def test_docstring_draws_every_error(self):
        drawn = [line for line in errors.__doc__.splitlines() if "Error " in line or "NotFound " in line]
        names = [next(word for word in line.split() if word.endswith(("Error", "NotFound"))) for line in drawn]
        assert sorted(names) == sorted(error_type.__name__ for error_type in self.error_types)

    @pytest.mark.parametrize("error_type", error_types)
    def test_docstring_gives_the_right_exit_codes(self, error_type):
        branch = next(
            parent for parent in error_type.__mro__ if parent is MillraceError or MillraceError in parent.__bases__
        )
        line = next((line for line in errors.__doc__.splitlines() if branch.__name__ in line), "")
        if "exit code" in line:
            assert ast.literal_eval(line.rpartition("exit code ")[2].rstrip(")")) == error_type.exit_code
        else:
            assert branch is MillraceError
            assert error_type.exit_code == branch.exit_code
