"""The registry against a real MLflow: one version bears the tag, whatever is cut off and whoever meddles."""

import itertools
import shutil

import pytest

from lib.backends.models import PRODUCTION, ModelRegistry
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
_numbers = itertools.count()


class Crash(Exception):
    """The process ends here."""


class Watched:
    """A client that looks at the registry after each of its writes, and can crash before one of them.

    Parameters
    ----------
    client : MlflowClient
    after_each_write : callable
    crash_at : int, optional
        Which write never happens; 0 is the first.
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
    """Of a registered model that no other test uses."""
    return f"model-{next(_numbers)}"


@pytest.fixture
def registry(client, name):
    return ModelRegistry(client, name)


@pytest.fixture
def three(client, name):
    """Registry with three versions, the first in production."""
    registry = ModelRegistry(client, name)
    for number in range(1, 4):
        registry.register(f"run-{number}", f"/models/{number}", f"sha-{number}", {})
    registry.promote("1")
    return registry


def tagged(client, name):
    return [one.version for one in ModelRegistry(client, name).versions() if PRODUCTION in one.tags]


def alias(client, name):
    """Version of the alias, or None."""
    found = client.get_registered_model(name).aliases.get(PRODUCTION)
    return None if found is None else str(found)


def leftovers(client, name):
    """Tags of the registered model itself: none, when no move is under way."""
    return dict(client.get_registered_model(name).tags)


def test_nothing_is_in_production_where_nothing_is_registered(registry):
    assert registry.production() is None
    assert registry.versions() == []
    assert registry.repair() == ""


def test_a_version_knows_its_run_its_files_and_their_hash(registry):
    made = registry.register("run-1", "/models/1", "abc", {"training_function": "linear"})
    assert registry.versions() == [made]
    assert (made.version, made.run_id, made.source, made.sha256) == ("1", "run-1", "/models/1", "abc")
    assert made.tags["training_function"] == "linear"


def test_registering_a_run_again_gives_its_version_again(registry):
    first = registry.register("run-1", "/models/1", "abc", {})
    registry.register("run-2", "/models/2", "def", {})
    assert registry.register("run-1", "/models/1", "abc", {}) == first
    assert [one.version for one in registry.versions()] == ["1", "2"]


def test_a_registered_version_is_not_in_production_yet(registry):
    registry.register("run-1", "/models/1", "abc", {})
    assert registry.production() is None


def test_promoting_moves_the_tag_and_the_alias(client, name, three):
    assert three.production().version == "1"
    three.promote("3")
    assert three.production().version == "3"
    assert tagged(client, name) == ["3"]
    assert alias(client, name) == "3"
    assert leftovers(client, name) == {}


def test_promoting_what_is_in_production_changes_nothing(client, name, three):
    three.promote("1")
    assert tagged(client, name) == [alias(client, name)] == ["1"]


def test_promotion_can_go_back_to_an_older_version(client, name, three):
    three.promote("3")
    three.promote("2")
    assert tagged(client, name) == [alias(client, name)] == ["2"]


def test_at_no_moment_do_two_versions_bear_the_tag(client, name, three):
    seen = []
    watched = Watched(client, after_each_write=lambda: seen.append(tagged(client, name)))
    ModelRegistry(watched, name).promote("2")
    assert len(seen) == len(watched.writes) >= 4
    assert all(len(one) <= 1 for one in seen)
    assert seen[0] == ["1"] and seen[-1] == ["2"]


def _writes_of_a_promotion(client, name):
    watched = Watched(client)
    ModelRegistry(watched, name).promote("2")
    return len(watched.writes)


@pytest.mark.parametrize("aliases", [True, False])
def test_a_crash_between_any_two_writes_is_mended_by_the_next_look(client, name, three, aliases):
    writes = _writes_of_a_promotion(client, name)
    for crash_at in range(writes if aliases else writes - 1):
        three.promote("1")
        cut_off = ModelRegistry(Watched(client, crash_at=crash_at), name, aliases=aliases)
        with pytest.raises(Crash):
            cut_off.promote("3")
        assert len(tagged(client, name)) <= 1
        # Before the first write nothing was meant yet; after it, the move is.
        expected = "1" if crash_at == 0 else "3"
        next_look = ModelRegistry(client, name, aliases=aliases)
        assert next_look.production().version == expected, f"crash before write {crash_at}"
        assert tagged(client, name) == [expected]
        assert leftovers(client, name) == {}
        if aliases:
            assert alias(client, name) == expected


def test_a_crash_while_mending_is_mended_too(client, name, three):
    done = 2  # writes of the promotion; the rest are for the one who mends
    for second in range(_writes_of_a_promotion(client, name) - done):
        three.promote("1")
        with pytest.raises(Crash):
            ModelRegistry(Watched(client, crash_at=done), name).promote("3")
        with pytest.raises(Crash):
            ModelRegistry(Watched(client, crash_at=second), name).production()
        assert three.production().version == "3"
        assert tagged(client, name) == [alias(client, name)] == ["3"]


def test_a_crash_at_the_first_promotion_of_all_is_mended(client):
    for crash_at in range(1, 4):
        name = f"first-{crash_at}"
        ModelRegistry(client, name).register("run-1", "/models/1", "abc", {})
        with pytest.raises(Crash):
            ModelRegistry(Watched(client, crash_at=crash_at), name).promote("1")
        assert ModelRegistry(client, name).production().version == "1"
        assert alias(client, name) == "1"


def test_a_crash_while_registering_leaves_nothing_to_stumble_over(client, name):
    for crash_at in range(2):
        with pytest.raises(Crash):
            ModelRegistry(Watched(client, crash_at=crash_at), name).register("run-1", "/models/1", "abc", {})
        assert ModelRegistry(client, name).production() is None
    assert ModelRegistry(client, name).register("run-1", "/models/1", "abc", {}).version == "1"


def test_mending_says_what_it_did_and_then_nothing(client, name, three):
    with pytest.raises(Crash):
        ModelRegistry(Watched(client, crash_at=2), name).promote("3")
    assert "promotion of version 3 was cut off" in three.repair()
    assert three.repair() == ""


def test_of_two_versions_tagged_by_hand_the_one_with_the_alias_keeps_the_tag(client, name, three):
    client.set_model_version_tag(name, "3", PRODUCTION, "true")
    assert "Versions 1, 3" in three.repair()
    assert tagged(client, name) == [alias(client, name)] == ["1"]


def test_of_two_versions_tagged_by_hand_without_an_alias_the_newest_by_number_keeps_the_tag(client, name):
    registry = ModelRegistry(client, name, aliases=False)
    for number in range(1, 11):
        registry.register(f"run-{number}", f"/models/{number}", "abc", {})
    for version in ("9", "10"):  # as texts, "9" comes after "10"
        client.set_model_version_tag(name, version, PRODUCTION, "true")
    assert registry.production().version == "10"
    assert tagged(client, name) == ["10"]


def test_versions_are_in_the_order_of_their_numbers(registry):
    for number in range(1, 12):
        registry.register(f"run-{number}", f"/models/{number}", "abc", {})
    assert [one.version for one in registry.versions()] == [str(number) for number in range(1, 12)]


def test_the_alias_follows_the_tag_where_hands_moved_the_alias(client, name, three):
    client.set_registered_model_alias(name, PRODUCTION, "3")
    assert "alias" in three.repair()
    assert tagged(client, name) == [alias(client, name)] == ["1"]


def test_the_alias_goes_where_the_tag_is_gone(client, name, three):
    client.delete_model_version_tag(name, "1", PRODUCTION)
    assert three.production() is None
    assert alias(client, name) is None


def test_the_alias_follows_a_tag_that_hands_moved(client, name, three):
    client.delete_model_version_tag(name, "1", PRODUCTION)
    client.set_model_version_tag(name, "2", PRODUCTION, "true")
    assert three.production().version == "2"
    assert alias(client, name) == "2"


def test_without_aliases_none_is_read_or_written(client, name):
    watched = Watched(client)
    registry = ModelRegistry(watched, name, aliases=False)
    registry.register("run-1", "/models/1", "abc", {})
    registry.promote("1")
    assert registry.production().version == "1"
    assert not [one for one in watched.writes if "alias" in one]
    assert alias(client, name) is None


def test_a_version_that_is_not_there_is_not_promoted(client, name, three):
    with pytest.raises(DataError, match="no version 7 of the model"):
        three.promote("7")
    assert three.production().version == "1"
    assert leftovers(client, name) == {}


def test_a_promotion_that_another_run_has_overtaken_is_refused(client, name, three):
    three.promote("2")
    with pytest.raises(StageError, match="Another run put version 2"):
        three.promote("3", instead_of="1")
    assert three.production().version == "2"


def test_a_deleted_production_version_leaves_nothing_in_production(client, name, three):
    client.delete_model_version(name, "1")
    assert three.production() is None
    assert alias(client, name) is None
    assert [one.version for one in three.versions()] == ["2", "3"]


def test_a_move_to_a_version_deleted_meanwhile_is_told_once_and_then_forgotten(client, name, three):
    with pytest.raises(Crash):
        ModelRegistry(Watched(client, crash_at=1), name).promote("3")
    client.delete_model_version(name, "3")
    assert "version 3 was cut off, and that version is gone" in three.repair()
    assert three.production().version == "1"
    assert three.repair() == ""


def test_use_cases_do_not_see_one_another(client, name, three):
    other = ModelRegistry(client, f"{name}-other")
    other.register("run-1", "/models/1", "abc", {})
    other.promote("1")
    three.promote("2")
    assert (three.production().version, other.production().version) == ("2", "1")
