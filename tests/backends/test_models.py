"""The model registry on a real MLflow: one production version despite crashes and manual edits."""

import itertools
import shutil
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE

from lib.backends.models import PRODUCTION, ModelRegistry, ModelVersion
from lib.backends.tracking import Tracking
from lib.errors import DataError, StageError

WRITES = (
    "create_registered_model",
    "create_model_version",
    "set_registered_model_tag",
    "delete_registered_model_tag",
    "set_model_version_tag",
    "delete_model_version_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
)
_model_numbers = itertools.count()


class Crash(Exception):
    """Simulate the death of the process."""


class RecordingClient:
    """A client that records its writes, runs a callback after each, and can crash before one of them.

    Parameters
    ----------
    client : MlflowClient
    after_each_write : callable
    crash_at : int, optional
        Index of the write to crash before.
    """

    def __init__(self, client, after_each_write=lambda: None, crash_at=None):
        self._client = client
        self._after_each_write = after_each_write
        self._crash_at = crash_at
        self.writes = []

    def __getattr__(self, name):
        call = getattr(self._client, name)
        if name not in WRITES:
            return call

        def write(*arguments, **options):
            if len(self.writes) == self._crash_at:
                raise Crash(name)
            self.writes.append(name)
            answer = call(*arguments, **options)
            self._after_each_write()
            return answer

        return write


@pytest.fixture(scope="module")
def client(empty_workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    shutil.copy(empty_workspace / "mlflow.db", folder)
    return Tracking(f"sqlite:///{folder / 'mlflow.db'}").client


@pytest.fixture
def name():
    """Return a model name that no other test uses."""
    return f"model-{next(_model_numbers)}"


@pytest.fixture
def registry(client, name):
    return ModelRegistry(client, name)


@pytest.fixture
def three(client, name):
    """Register three versions and promote the first."""
    registry = ModelRegistry(client, name)
    for number in range(1, 4):
        registry.register(f"run-{number}", f"/models/{number}", f"sha-{number}", {})
    registry.promote("1")
    return registry


def tagged_versions(client, name):
    """Return the versions with the production tag."""
    return [version.version for version in ModelRegistry(client, name).versions() if PRODUCTION in version.tags]


def alias_version(client, name):
    """Return the version that the production alias points to, or None."""
    version = client.get_registered_model(name).aliases.get(PRODUCTION)
    return None if version is None else str(version)


def model_tags(client, name):
    """Return the tags of the registered model itself: empty unless a move is pending."""
    return dict(client.get_registered_model(name).tags)


def test_an_empty_registry_has_no_production_version(registry):
    assert registry.production() is None
    assert registry.versions() == []
    assert registry.repair() == ""


def test_a_version_has_its_run_source_and_hash(registry):
    made = registry.register("run-1", "/models/1", "abc", {"training_function": "linear"})
    assert registry.versions() == [made]
    assert (made.version, made.run_id, made.source, made.sha256) == ("1", "run-1", "/models/1", "abc")
    assert made.tags["training_function"] == "linear"


def test_registering_a_run_twice_returns_the_same_version(registry):
    first = registry.register("run-1", "/models/1", "abc", {})
    registry.register("run-2", "/models/2", "def", {})
    assert registry.register("run-1", "/models/1", "abc", {}) == first
    assert [version.version for version in registry.versions()] == ["1", "2"]


def test_registering_does_not_promote(registry):
    registry.register("run-1", "/models/1", "abc", {})
    assert registry.production() is None


def test_promotion_moves_the_tag_and_the_alias_version(client, name, three):
    assert three.production().version == "1"
    three.promote("3")
    assert three.production().version == "3"
    assert tagged_versions(client, name) == ["3"]
    assert alias_version(client, name) == "3"
    assert model_tags(client, name) == {}


def test_promoting_the_production_version_changes_nothing(client, name, three):
    three.promote("1")
    assert tagged_versions(client, name) == [alias_version(client, name)] == ["1"]


def test_an_older_version_can_be_promoted_again(client, name, three):
    three.promote("3")
    three.promote("2")
    assert tagged_versions(client, name) == [alias_version(client, name)] == ["2"]


def test_promotion_never_tags_two_versions(client, name, three):
    seen = []
    recording = RecordingClient(client, after_each_write=lambda: seen.append(tagged_versions(client, name)))
    ModelRegistry(recording, name).promote("2")
    assert len(seen) == len(recording.writes) >= 4
    assert all(len(versions) <= 1 for versions in seen)
    assert seen[0] == ["1"] and seen[-1] == ["2"]


def count_promotion_writes(client, name):
    recording = RecordingClient(client)
    ModelRegistry(recording, name).promote("2")
    return len(recording.writes)


@pytest.mark.parametrize("aliases", [True, False])
def test_the_next_reader_completes_an_interrupted_promotion(client, name, three, aliases):
    writes = count_promotion_writes(client, name)
    for crash_at in range(writes if aliases else writes - 1):
        three.promote("1")
        interrupted = ModelRegistry(RecordingClient(client, crash_at=crash_at), name, has_aliases=aliases)
        with pytest.raises(Crash):
            interrupted.promote("3")
        assert len(tagged_versions(client, name)) <= 1
        # The first write records the move. A crash before it leaves the old version in production.
        expected = "1" if crash_at == 0 else "3"
        reader = ModelRegistry(client, name, has_aliases=aliases)
        assert reader.production().version == expected, f"crash before write {crash_at}"
        assert tagged_versions(client, name) == [expected]
        assert model_tags(client, name) == {}
        if aliases:
            assert alias_version(client, name) == expected


def test_an_interrupted_repair_is_repaired(client, name, three):
    done = 2  # writes before the promotion crashes; the repair makes the others
    for repair_crash_at in range(count_promotion_writes(client, name) - done):
        three.promote("1")
        with pytest.raises(Crash):
            ModelRegistry(RecordingClient(client, crash_at=done), name).promote("3")
        with pytest.raises(Crash):
            ModelRegistry(RecordingClient(client, crash_at=repair_crash_at), name).production()
        assert three.production().version == "3"
        assert tagged_versions(client, name) == [alias_version(client, name)] == ["3"]


def test_an_interrupted_first_promotion_is_repaired(client):
    for crash_at in range(1, 4):
        name = f"first-{crash_at}"
        ModelRegistry(client, name).register("run-1", "/models/1", "abc", {})
        with pytest.raises(Crash):
            ModelRegistry(RecordingClient(client, crash_at=crash_at), name).promote("1")
        assert ModelRegistry(client, name).production().version == "1"
        assert alias_version(client, name) == "1"


def test_an_interrupted_registration_can_be_repeated(client, name):
    for crash_at in range(2):
        with pytest.raises(Crash):
            ModelRegistry(RecordingClient(client, crash_at=crash_at), name).register("run-1", "/models/1", "abc", {})
        assert ModelRegistry(client, name).production() is None
    assert ModelRegistry(client, name).register("run-1", "/models/1", "abc", {}).version == "1"


def test_a_repair_is_reported_once(client, name, three):
    with pytest.raises(Crash):
        ModelRegistry(RecordingClient(client, crash_at=2), name).promote("3")
    assert "promotion of version 3 was interrupted" in three.repair()
    assert three.repair() == ""


def test_of_two_tagged_versions_the_aliased_one_stays_tagged(client, name, three):
    client.set_model_version_tag(name, "3", PRODUCTION, "true")
    assert "Versions 1, 3" in three.repair()
    assert tagged_versions(client, name) == [alias_version(client, name)] == ["1"]


def test_without_alias_the_newest_tagged_version_stays_tagged(client, name):
    registry = ModelRegistry(client, name, has_aliases=False)
    for number in range(1, 11):
        registry.register(f"run-{number}", f"/models/{number}", "abc", {})
    for version in ("9", "10"):  # as text, "9" follows "10"
        client.set_model_version_tag(name, version, PRODUCTION, "true")
    assert registry.production().version == "10"
    assert tagged_versions(client, name) == ["10"]


def test_versions_are_sorted_numerically(registry):
    for number in range(1, 12):
        registry.register(f"run-{number}", f"/models/{number}", "abc", {})
    assert [version.version for version in registry.versions()] == [str(number) for number in range(1, 12)]


def test_an_alias_moved_by_hand_is_reset_to_the_tag_version(client, name, three):
    client.set_registered_model_alias(name, PRODUCTION, "3")
    assert "alias" in three.repair()
    assert tagged_versions(client, name) == [alias_version(client, name)] == ["1"]


def test_the_alias_is_deleted_with_the_tag(client, name, three):
    client.delete_model_version_tag(name, "1", PRODUCTION)
    assert three.production() is None
    assert alias_version(client, name) is None


def test_the_alias_follows_a_tag_moved_by_hand(client, name, three):
    client.delete_model_version_tag(name, "1", PRODUCTION)
    client.set_model_version_tag(name, "2", PRODUCTION, "true")
    assert three.production().version == "2"
    assert alias_version(client, name) == "2"


def test_registries_without_aliases_never_use_them(client, name):
    recording = RecordingClient(client)
    registry = ModelRegistry(recording, name, has_aliases=False)
    registry.register("run-1", "/models/1", "abc", {})
    registry.promote("1")
    assert registry.production().version == "1"
    assert not [write for write in recording.writes if "alias" in write]
    assert alias_version(client, name) is None


def test_a_missing_version_is_not_promoted(client, name, three):
    with pytest.raises(DataError, match="version 7 is not promoted, because it no longer exists"):
        three.promote("7")
    assert three.production().version == "1"
    assert model_tags(client, name) == {}


def test_a_concurrent_promotion_is_refused(client, name, three):
    three.promote("2")
    with pytest.raises(StageError, match="another run changed the production version from 1 to 2"):
        three.promote("3", expected_current="1")
    assert three.production().version == "2"


def test_a_first_promotion_is_refused_if_another_run_promoted_first(client, name, three):
    with pytest.raises(StageError, match="another run changed the production version from none to 1"):
        three.promote("2", expected_current=None)
    client.delete_model_version(name, "1")
    three.promote("2", expected_current=None)
    assert three.production().version == "2"


def test_deleting_the_production_version_leaves_none(client, name, three):
    client.delete_model_version(name, "1")
    assert three.production() is None
    assert alias_version(client, name) is None
    assert [version.version for version in three.versions()] == ["2", "3"]


def test_a_pending_move_to_a_deleted_version_is_reported_once(client, name, three):
    with pytest.raises(Crash):
        ModelRegistry(RecordingClient(client, crash_at=1), name).promote("3")
    client.delete_model_version(name, "3")
    assert "version 3 was interrupted, and that version no longer exists" in three.repair()
    assert three.production().version == "1"
    assert three.repair() == ""


def test_use_cases_have_separate_production_versions(client, name, three):
    other = ModelRegistry(client, f"{name}-other")
    other.register("run-1", "/models/1", "abc", {})
    other.promote("1")
    three.promote("2")
    assert (three.production().version, other.production().version) == ("2", "1")


def test_a_promotion_after_a_retirement_is_refused(three):
    three.retire("1", "wrong labels")
    with pytest.raises(StageError, match="changed the production version from 1 to none"):
        three.promote("3", expected_current="1")


def test_a_repair_of_the_alias_names_both_versions(client, name, three):
    client.set_registered_model_alias(name, PRODUCTION, "3")
    assert three.repair().startswith(f"The alias {PRODUCTION} marked version 3, and the tag version 1.")
    client.delete_model_version_tag(name, "1", PRODUCTION)
    assert three.repair().startswith(f"The alias {PRODUCTION} marked version 1, and the tag no version.")


def test_a_version_without_run_and_source_has_empty_texts(name):
    result = SimpleNamespace(version=1, run_id=None, source=None, tags={"a": "b"})
    registry = ModelRegistry(SimpleNamespace(search_model_versions=lambda condition: [result]), name)
    assert registry.versions() == [ModelVersion("1", "", "", {"a": "b"})]


@pytest.mark.parametrize("code", [INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE])
def test_an_error_of_the_registry_is_not_taken_for_an_existing_model(name, code):
    def fail(*arguments):
        raise MlflowException("out of order", error_code=code)

    registry = ModelRegistry(SimpleNamespace(create_registered_model=fail), name)
    with pytest.raises(MlflowException, match="out of order"):
        registry.register("run-1", "/models/1", "abc", {})
