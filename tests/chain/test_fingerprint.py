"""Fingerprints: every change that affects a result is named, and no other."""

import json
import os
import shutil

import pytest

from lib.chain import fingerprint, notebooks
from tests.chain.small_notebooks import notebook

PARAMETERS = 'data: str = ""  # the table\nseed: int = 42  # any\noptions: dict = {}  # any'


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Replace the library by two files, and return their folder."""
    folder = tmp_path / "library"
    (folder / "room").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "room" / "metrics.py").write_text("DIRECTION = 1")
    monkeypatch.setattr(fingerprint, "_LIBRARY", folder)
    return folder


@pytest.fixture
def lock_file(tmp_path, monkeypatch):
    file = tmp_path / "requirements.lock"
    file.write_text("pandas==2.3.3")
    monkeypatch.setattr(fingerprint, "_LOCK_FILE", file)
    return file


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1,2\n")
    return file


class Work:
    """A notebook and its parameters."""

    def __init__(self, folder, data):
        self.folder = folder / "notebooks"
        self.write("answer = 1")
        self.parameters = {"data": str(data), "seed": 42, "options": {"weather": str(data), "minutes": 15}}

    def write(self, cell):
        notebook(self.folder, "01_setup.ipynb", cell, parameters=PARAMETERS)

    @property
    def path(self):
        return self.folder / "01_setup.ipynb"

    def fingerprint(self, **changes):
        (parsed,) = notebooks.read_all(self.folder)
        return fingerprint.compute(parsed, {**self.parameters, **changes})


@pytest.fixture
def work(tmp_path, table, library, lock_file):
    return Work(tmp_path, table)


@pytest.fixture
def differs(work):
    """Return the differences that an action or changed parameters make."""

    def after(action=lambda: None, **changes):
        before = work.fingerprint()
        action()
        return fingerprint.describe_differences(before, work.fingerprint(**changes))

    return after


def test_nothing_changed(differs):
    assert differs() == []


class TestChanges:
    def test_notebook_code(self, differs, work):
        (difference,) = differs(lambda: work.write("answer = 2"))
        assert difference == f"{work.path} has changed"

    def test_library_file(self, differs, library):
        (difference,) = differs(lambda: (library / "room" / "metrics.py").write_text("DIRECTION = -1"))
        assert difference == f"{library / 'room' / 'metrics.py'} has changed"

    def test_new_and_deleted_library_files(self, differs, library):
        (difference,) = differs(lambda: (library / "extra.py").write_text(""))
        assert difference == f"{library / 'extra.py'} is new"
        (difference,) = differs(lambda: (library / "extra.py").unlink())
        assert difference == f"{library / 'extra.py'} is gone"

    def test_lock_file(self, differs, lock_file):
        (difference,) = differs(lambda: lock_file.write_text("pandas==2.3.4"))
        assert difference == f"{lock_file} has changed"

    def test_python_version(self, differs, monkeypatch):
        (difference,) = differs(lambda: monkeypatch.setattr(fingerprint.platform, "python_version", lambda: "3.99.0"))
        assert difference.startswith("Python: ") and difference.endswith(" is now 3.99.0")

    def test_parameter(self, differs):
        assert differs(seed=7) == ["seed: 42 is now 7"]

    def test_option(self, differs, work):
        assert differs(options={**work.parameters["options"], "minutes": 30}) == ["options.minutes: 15 is now 30"]

    def test_content_of_a_data_file(self, differs, table):
        difference = differs(lambda: table.write_text("a,b\n1,3\n"))
        assert difference == ["the content of data has changed", "the content of options.weather has changed"]

    @pytest.mark.parametrize("wrap", [list, lambda two: dict(zip("ab", two, strict=True))])
    def test_two_swapped_files(self, work, table, tmp_path, wrap):
        other = tmp_path / "other.csv"
        other.write_text("c\n7\n")
        both = [str(table), str(other)]
        before, now = work.fingerprint(options=wrap(both)), work.fingerprint(options=wrap(both[::-1]))
        assert fingerprint.describe_differences(before, now) != []

    def test_file_of_equal_size_written_in_the_same_second(self, differs, table):
        def swap():
            state = table.stat()
            table.write_text("a,b\n9,2\n")
            os.utime(table, ns=(state.st_atime_ns, state.st_mtime_ns + 1))

        assert "the content of data has changed" in differs(swap)

    def test_additional_parameter(self, work):
        now = work.fingerprint(extra=1)
        assert fingerprint.describe_differences(work.fingerprint(), now) == ["extra is new"]
        assert fingerprint.describe_differences(now, work.fingerprint()) == ["extra is gone"]

    def test_all_changes_are_named(self, differs, library):
        difference = differs(lambda: (library / "__init__.py").write_text("1"), seed=7)
        assert len(difference) == 2


class TestIgnored:
    def test_notebook_outputs_text_and_metadata(self, differs, work):
        def change():
            content = json.loads(work.path.read_text())
            content["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["hello"]}]
            content["cells"][2]["execution_count"] = 7
            content["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": "# Why?"})
            content["metadata"]["language_info"] = {"version": "3.11.7"}
            work.path.write_text(json.dumps(content, indent=4))

        assert differs(change) == []

    @pytest.mark.parametrize("change", [{"run_name": "20261122-x"}, {"threads": 3}])
    def test_run_name_and_threads(self, differs, change):
        assert differs(**change) == []

    def test_content_of_output_folders(self, work, tmp_path):
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        before = work.fingerprint(workspace=str(workspace))
        (workspace / "mlflow.db").write_text("more")
        assert work.fingerprint(workspace=str(workspace)) == before
        assert fingerprint.describe_differences(before, work.fingerprint(workspace="another")) != []

    def test_bytecode_files(self, differs, library):
        def leave():
            (library / "__pycache__").mkdir()
            (library / "__pycache__" / "metrics.pyc").write_text("compiled")

        assert differs(leave) == []

    def test_location_of_equal_content(self, work, table, tmp_path):
        other = tmp_path / "elsewhere" / "other.csv"
        other.parent.mkdir()
        shutil.copy(table, other)
        options = work.parameters["options"]
        before = work.fingerprint(options=options["minutes"])
        assert work.fingerprint(data=str(other), options=options["minutes"]) == before
        assert work.fingerprint(data=other.as_uri(), options=options["minutes"]) == before

    def test_location_of_equal_content_in_an_option(self, work, table, tmp_path):
        other = tmp_path / "other.csv"
        shutil.copy(table, other)
        assert work.fingerprint(options={**work.parameters["options"], "weather": str(other)}) == work.fingerprint()


class TestFiles:
    def test_files_are_found_at_any_depth(self, table):
        value = {"a": [str(table), {"b": table.as_uri()}], "c": "no file", "d": 7, "e": None}
        assert list(fingerprint.find_files(value)) == [str(table), table.as_uri()]

    def test_file_name_with_space_and_umlaut(self, tmp_path):
        file = tmp_path / "zwei Räume.csv"
        file.write_text("1")
        assert list(fingerprint.find_files(file.as_uri())) == [file.as_uri()]
        assert fingerprint.hash_files(file.as_uri()) == {file.as_uri(): fingerprint.hash_file(file)}

    @pytest.mark.parametrize(
        "text", ["", "a\nb", "x" * 5000, "http://example.org/data", "azureml://x/y", "\x00", "lib"]
    )
    def test_strings_that_name_no_file(self, text):
        assert list(fingerprint.find_files(text)) == []

    def test_relative_paths_start_at_the_project(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        assert list(fingerprint.find_files("data/README.md")) == ["data/README.md"]

    def test_folder_is_hashed_with_names_and_contents(self, tmp_path):
        folder = tmp_path / "parts"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "1.csv").write_text("1")
        before = fingerprint.hash_files(str(folder))
        (folder / "deep" / "1.csv").rename(folder / "deep" / "2.csv")
        renamed = fingerprint.hash_files(str(folder))
        (folder / "3.csv").write_text("3")
        assert len({*before.values(), *renamed.values(), *fingerprint.hash_files(str(folder)).values()}) == 3

    def test_large_file_is_hashed_to_its_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr(fingerprint, "_BLOCK_BYTES", 4)
        first, second = tmp_path / "first", tmp_path / "second"
        first.write_text("0123456789a")
        second.write_text("0123456789b")
        assert fingerprint.hash_file(first) != fingerprint.hash_file(second)

    def test_changed_file_is_hashed_again(self, tmp_path):
        file = tmp_path / "file"
        file.write_text("1")
        before = fingerprint.hash_file(file)
        file.write_text("12")
        assert fingerprint.hash_file(file) != before


def test_background_computation_gives_the_same(work):
    (parsed,) = notebooks.read_all(work.folder)
    assert fingerprint.Fingerprints().start(parsed, work.parameters).result(timeout=60) == work.fingerprint()
