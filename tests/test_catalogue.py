"""The ground floor: catalogues of names, paths, and errors that say what to do."""

import ast
import pickle
import sys

import pytest

from lib import catalogue, errors, paths
from lib.errors import DataError, MillraceError, NameNotFound, ParameterError, suggest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on disk with two modules, a private one and a folder."""
    folder = tmp_path / "orchard"
    (folder / "sweet").mkdir(parents=True)
    for name in ("__init__", "pear", "apple", "_seed", "sweet/__init__"):
        (folder / f"{name}.py").write_text("import nothing_there" if name == "pear" else f"NAME = {name!r}")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchard"]:
        del sys.modules[name]


class TestCatalogue:
    def test_names_are_the_modules_sorted_without_private_ones_and_folders(self, package):
        assert catalogue.names("orchard") == ["apple", "pear"]
        assert catalogue.names("orchard", folders=True) == ["sweet"]

    def test_listing_imports_no_entry(self, package):
        catalogue.names("orchard")
        assert "orchard.pear" not in sys.modules

    def test_an_entry_is_imported_by_its_name(self, package):
        assert catalogue.load("orchard", "apple", "fruit").NAME == "apple"
        assert catalogue.load("orchard", "sweet", "fruit", folders=True).NAME == "sweet/__init__"

    def test_one_that_is_not_there_is_told_with_the_nearest(self, package):
        with pytest.raises(NameNotFound, match="no fruit 'aple' in orchard/. Did you mean 'apple'. Known: apple, pear"):
            catalogue.load("orchard", "aple", "fruit")

    @pytest.mark.parametrize("name", ["_seed", "sweet", "", "..errors"])
    def test_what_is_not_listed_cannot_be_loaded(self, package, name):
        with pytest.raises(NameNotFound):
            catalogue.load("orchard", name, "fruit")

    def test_a_fault_inside_an_entry_is_not_hidden(self, package):
        with pytest.raises(ModuleNotFoundError, match="nothing_there"):
            catalogue.load("orchard", "pear", "fruit")


class TestPaths:
    def test_a_relative_path_starts_at_the_project(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert paths.resolve("data/x.csv") == paths.ROOT / "data" / "x.csv"
        assert (paths.ROOT / "lib" / "paths.py").is_file()

    def test_an_absolute_path_and_a_home_stay_what_they_are(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert paths.resolve(tmp_path / "x") == paths.resolve("~/x") == tmp_path / "x"

    def test_a_path_that_is_there_is_given_back(self, tmp_path):
        assert paths.existing(str(tmp_path)) == tmp_path

    def test_a_misspelt_file_is_told_with_the_nearest(self, tmp_path):
        (tmp_path / "flights.csv").touch()
        with pytest.raises(DataError, match=r"no file .*flight.csv.*Did you mean 'flights.csv'"):
            paths.existing(tmp_path / "flight.csv")

    def test_a_file_in_a_folder_that_is_not_there_is_told_too(self, tmp_path):
        with pytest.raises(DataError, match="no file"):
            paths.existing(tmp_path / "no" / "such" / "folder.csv")

    def test_a_path_is_shown_from_the_project_on(self, tmp_path):
        assert paths.shown(paths.ROOT / "lib" / ".." / "data") == "data"
        assert paths.shown(tmp_path) == str(tmp_path.resolve())


class TestSuggest:
    def test_the_nearest_is_named_whatever_its_case(self):
        assert suggest("ROC_AUK", ["f1", "Roc_auc"]) == "Did you mean 'Roc_auc'? Known: f1, Roc_auc."

    def test_nothing_near_is_not_named(self):
        assert suggest("zebra", ["f1", "r2"]) == "Known: f1, r2."

    def test_no_names_at_all(self):
        assert suggest("x", []) == "Known: none."

    def test_a_long_list_is_cut(self):
        assert suggest("x", map(str, range(40)), most=3) == "Known: 0, 1, 2 and 37 more."

    def test_names_may_be_anything(self):
        assert suggest(0, [1.5, None, True]) == "Known: 1.5, None, True."
        assert suggest(None, ["None"]) == "Did you mean 'None'? Known: None."


class TestErrors:
    every = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, MillraceError)]

    @pytest.mark.parametrize("kind", every)
    def test_survives_a_pickle_with_its_text(self, kind):
        # Kernels and the worker processes of tests hand errors on this way.
        error = kind("column", "yeer", ["year"]) if kind is NameNotFound else kind("Mend it.")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind and str(again) == str(error) and again.exit_code == error.exit_code

    def test_several_faults_survive_a_pickle(self):
        again = pickle.loads(pickle.dumps(ParameterError(["first.", "second."])))
        assert again.faults == ["first.", "second."]
        assert str(again) == "2 parameters cannot be used:\n  - first.\n  - second."

    def test_one_fault_is_its_own_message(self):
        assert str(ParameterError("first.")) == str(ParameterError(iter(["first."]))) == "first."

    def test_the_tree_in_the_docstring_is_the_tree(self):
        drawn = [line for line in errors.__doc__.splitlines() if "Error " in line or "NotFound " in line]
        names = [next(word for word in line.split() if word.endswith(("Error", "NotFound"))) for line in drawn]
        assert sorted(names) == sorted(one.__name__ for one in self.every)

    @pytest.mark.parametrize("kind", every)
    def test_the_exit_code_is_that_of_the_drawing(self, kind):
        branch = next(one for one in kind.__mro__ if one is MillraceError or MillraceError in one.__bases__)
        line = next((line for line in errors.__doc__.splitlines() if branch.__name__ in line), "")
        if "exit code" in line:
            assert ast.literal_eval(line.rpartition("exit code ")[2].rstrip(")")) == kind.exit_code
        else:
            assert branch in (MillraceError, errors.GateError) and kind.exit_code == branch.exit_code
