"""The code that a deployment runs has to be the code of its model, and a copy of a model is its owner's."""

import stat

import pytest

from lib.scoring.model_folder import ModelError, check_same_code, compute_digest, copy_verified, write_sums


@pytest.fixture
def folders(tmp_path):
    """Return a model's code and the same code as it runs, with compiled code and a note beside it."""
    for name in ("model", "running"):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / "lib/a.py").write_text("a = 1\n")
    (tmp_path / "running/lib/__pycache__").mkdir()
    (tmp_path / "running/lib/__pycache__/a.cpython-311.pyc").write_bytes(b"compiled")
    (tmp_path / "running/notes.txt").write_text("not imported")
    return tmp_path / "model", tmp_path / "running"


def test_same_code_may_have_compiled_code_beside_it(folders):
    check_same_code(*folders)


@pytest.mark.parametrize("name", ["lib/b.py", "lib/b.so", "lib/b.pyc"])
def test_added_code_is_named(folders, name):
    (folders[1] / name).write_text("b = 1\n")
    with pytest.raises(ModelError, match=name):
        check_same_code(*folders)


def test_changed_missing_and_linked_code_is_named(folders):
    code, running = folders
    (running / "lib/a.py").write_text("a = 2\n")
    with pytest.raises(ModelError, match="lib/a.py"):
        check_same_code(code, running)
    (running / "lib/a.py").unlink()
    with pytest.raises(ModelError, match="lib/a.py"):
        check_same_code(code, running)
    (running / "lib/a.py").symlink_to(code / "lib/a.py")
    with pytest.raises(ModelError, match="lib/a.py"):
        check_same_code(code, running)


def test_link_in_a_model_is_called_a_link(folders):
    (folders[0] / "lib/b.py").symlink_to(folders[1] / "lib/a.py")
    with pytest.raises(ModelError, match="a link, whose target could change"):
        compute_digest(folders[0])


def test_copy_can_be_entered_by_its_owner_only(folders, tmp_path):
    copy_verified(folders[0], tmp_path / "copy", compute_digest(folders[0]))
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700


def test_sums_do_not_contain_earlier_sums(folders):
    write_sums(folders[0])
    first = (folders[0] / "SHA256SUMS").read_text()
    write_sums(folders[0])
    assert (folders[0] / "SHA256SUMS").read_text() == first and "SHA256SUMS" not in first


def test_digest_takes_text_paths(folders):
    assert compute_digest(str(folders[0])) == compute_digest(folders[0])
