"""What a result depends on, by name: whatever changes is told by it, and nothing else is."""

import json
import os
import shutil

import pytest

from lib.chain import fingerprint, notebooks
from tests.chain.small_notebooks import notebook

PARAMETERS = 'data: str = ""  # the table\nseed: int = 42  # any\noptions: dict = {}  # any'


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of two files in the place of lib."""
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
    """A notebook and what it is given."""

    def __init__(self, folder, data):
        self.folder = folder / "notebooks"
        self.write("answer = 1")
        self.given = {"data": str(data), "seed": 42, "options": {"weather": str(data), "minutes": 15}}

    def write(self, cell):
        notebook(self.folder, "01_setup.ipynb", cell, parameters=PARAMETERS)

    @property
    def path(self):
        return self.folder / "01_setup.ipynb"

    def fingerprint(self, **changes):
        (found,) = notebooks.all_of(self.folder)
        return fingerprint.compute(found, {**self.given, **changes})


@pytest.fixture
def work(tmp_path, table, library, lock_file):
    return Work(tmp_path, table)


@pytest.fixture
def differs(work):
    """What differs once something is done."""

    def after(do=lambda: None, **changes):
        before = work.fingerprint()
        do()
        return fingerprint.differences(before, work.fingerprint(**changes))

    return after


def test_the_same_has_the_same(differs):
    assert differs() == []


class TestEachKindOfChange:
    def test_the_code_of_the_notebook(self, differs, work):
        (said,) = differs(lambda: work.write("answer = 2"))
        assert said == f"{work.path} has changed"

    def test_a_file_of_the_library(self, differs, library):
        (said,) = differs(lambda: (library / "room" / "metrics.py").write_text("DIRECTION = -1"))
        assert said == f"{library / 'room' / 'metrics.py'} has changed"

    def test_a_file_more_or_less_in_the_library(self, differs, library):
        (said,) = differs(lambda: (library / "extra.py").write_text(""))
        assert said == f"{library / 'extra.py'} is new"
        (said,) = differs(lambda: (library / "extra.py").unlink())
        assert said == f"{library / 'extra.py'} is gone"

    def test_the_lock_file(self, differs, lock_file):
        (said,) = differs(lambda: lock_file.write_text("pandas==2.3.4"))
        assert said == f"{lock_file} has changed"

    def test_python(self, differs, monkeypatch):
        (said,) = differs(lambda: monkeypatch.setattr(fingerprint.platform, "python_version", lambda: "3.99.0"))
        assert said.startswith("Python: ") and said.endswith(" is now 3.99.0")

    def test_a_parameter(self, differs):
        assert differs(seed=7) == ["seed: 42 is now 7"]

    def test_an_option(self, differs, work):
        assert differs(options={**work.given["options"], "minutes": 30}) == ["options.minutes: 15 is now 30"]

    def test_the_content_of_the_data_under_the_same_name(self, differs, table):
        said = differs(lambda: table.write_text("a,b\n1,3\n"))
        assert said == ["the content of data has changed", "the content of options.weather has changed"]

    @pytest.mark.parametrize("wrap", [list, lambda two: dict(zip("ab", two, strict=True))])
    def test_two_files_that_change_places(self, work, table, tmp_path, wrap):
        other = tmp_path / "other.csv"
        other.write_text("c\n7\n")
        both = [str(table), str(other)]
        before, now = work.fingerprint(options=wrap(both)), work.fingerprint(options=wrap(both[::-1]))
        assert fingerprint.differences(before, now) != []

    def test_of_the_same_length_and_at_the_same_second(self, differs, table):
        def swap():
            state = table.stat()
            table.write_text("a,b\n9,2\n")
            os.utime(table, ns=(state.st_atime_ns, state.st_mtime_ns + 1))

        assert "the content of data has changed" in differs(swap)

    def test_a_parameter_more(self, work):
        now = work.fingerprint(extra=1)
        assert fingerprint.differences(work.fingerprint(), now) == ["extra is new"]
        assert fingerprint.differences(now, work.fingerprint()) == ["extra is gone"]

    def test_all_that_changed_is_told(self, differs, library):
        said = differs(lambda: (library / "__init__.py").write_text("1"), seed=7)
        assert len(said) == 2


class TestWhatDoesNotCount:
    def test_outputs_texts_and_metadata_of_the_notebook(self, differs, work):
        def change():
            content = json.loads(work.path.read_text())
            content["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["hello"]}]
            content["cells"][2]["execution_count"] = 7
            content["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": "# Why?"})
            content["metadata"]["language_info"] = {"version": "3.11.7"}
            work.path.write_text(json.dumps(content, indent=4))

        assert differs(change) == []

    @pytest.mark.parametrize("change", [{"run_name": "20261122-x"}, {"threads": 3}])
    def test_what_is_of_the_run_or_of_the_machine(self, differs, change):
        assert differs(**change) == []

    def test_what_stages_write_into_their_folders(self, work, tmp_path):
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        before = work.fingerprint(workspace=str(workspace))
        (workspace / "mlflow.db").write_text("more")
        assert work.fingerprint(workspace=str(workspace)) == before
        assert fingerprint.differences(before, work.fingerprint(workspace="another")) != []

    def test_other_files_beside_the_library(self, differs, library):
        def leave():
            (library / "__pycache__").mkdir()
            (library / "__pycache__" / "metrics.pyc").write_text("compiled")

        assert differs(leave) == []

    def test_where_the_same_content_lies(self, work, table, tmp_path):
        other = tmp_path / "elsewhere" / "other.csv"
        other.parent.mkdir()
        shutil.copy(table, other)
        options = work.given["options"]
        before = work.fingerprint(options=options["minutes"])
        assert work.fingerprint(data=str(other), options=options["minutes"]) == before
        assert work.fingerprint(data=other.as_uri(), options=options["minutes"]) == before

    def test_where_the_same_content_lies_within_an_option(self, work, table, tmp_path):
        other = tmp_path / "other.csv"
        shutil.copy(table, other)
        assert work.fingerprint(options={**work.given["options"], "weather": str(other)}) == work.fingerprint()


class TestFiles:
    def test_those_that_a_value_names_at_any_depth(self, table):
        value = {"a": [str(table), {"b": table.as_uri()}], "c": "no file", "d": 7, "e": None}
        assert list(fingerprint.find_files(value)) == [str(table), table.as_uri()]

    def test_a_file_with_a_blank_and_an_umlaut_in_its_name(self, tmp_path):
        file = tmp_path / "zwei Räume.csv"
        file.write_text("1")
        assert list(fingerprint.find_files(file.as_uri())) == [file.as_uri()]
        assert fingerprint.hash_files(file.as_uri()) == {file.as_uri(): fingerprint.hash_file(file)}

    @pytest.mark.parametrize(
        "text", ["", "a\nb", "x" * 5000, "http://example.org/data", "azureml://x/y", "\x00", "lib"]
    )
    def test_a_text_that_names_none(self, text):
        assert list(fingerprint.find_files(text)) == []

    def test_a_relative_path_starts_at_the_project(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        assert list(fingerprint.find_files("data/README.md")) == ["data/README.md"]

    def test_a_folder_counts_by_all_that_is_in_it(self, tmp_path):
        folder = tmp_path / "parts"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "1.csv").write_text("1")
        before = fingerprint.hash_files(str(folder))
        (folder / "deep" / "1.csv").rename(folder / "deep" / "2.csv")
        renamed = fingerprint.hash_files(str(folder))
        (folder / "3.csv").write_text("3")
        assert len({*before.values(), *renamed.values(), *fingerprint.hash_files(str(folder)).values()}) == 3

    def test_a_large_file_is_read_to_its_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr(fingerprint, "_BLOCK_BYTES", 4)
        one, other = tmp_path / "one", tmp_path / "other"
        one.write_text("0123456789a")
        other.write_text("0123456789b")
        assert fingerprint.hash_file(one) != fingerprint.hash_file(other)

    def test_one_that_is_replaced_while_it_is_known_is_read_again(self, tmp_path):
        file = tmp_path / "file"
        file.write_text("1")
        before = fingerprint.hash_file(file)
        file.write_text("12")
        assert fingerprint.hash_file(file) != before


def test_made_beside_the_notebooks_it_is_the_same(work):
    (found,) = notebooks.all_of(work.folder)
    assert fingerprint.Fingerprints().start(found, work.given).result(timeout=60) == work.fingerprint()
