"""Parameters: base.yaml against the specifications, layers over one another, one sentence per fault."""

import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.backends import available
from lib.errors import NameNotFound, ParameterError
from lib.parameters import BASE, SPECS, Layers, Parameters, check, check_given, load
from lib.parameters.renamed import RENAMED

GOOD = {"name": "bikes", "data": "a.csv", "target_column": "n", "task": "regression", "primary_metric": "r2"}
BASE_VALUES = load([]).values
CHOICES = {"pipeline": ["base", "flights"], "training function": ["linear", "xgboost"], "backend": ["local"]}


@pytest.fixture
def laid(tmp_path):
    """Lay a text of YAML over good parameters and the base."""

    def lay(text="", *assignments):
        good, file = tmp_path / "good.yaml", tmp_path / "my.yaml"
        good.write_text(yaml.safe_dump({**GOOD, "training_functions": ["linear"]}))
        file.write_text(text, encoding="utf-8")
        return load([good, file], assignments)

    return lay


@pytest.fixture
def faults_of(laid):
    """Return the faults of a text of YAML over good parameters."""

    def faults(text="", *assignments):
        try:
            check(laid(text, *assignments), CHOICES)
        except ParameterError as error:
            return error.faults
        return []

    return faults


class TestBase:
    lines = [line for line in BASE.read_text(encoding="utf-8").splitlines() if re.match(r"\w", line)]

    def test_specifications_and_defaults_have_the_same_names(self):
        assert list(load([]).values) == list(SPECS)

    def test_every_default_has_a_comment(self):
        uncommented = [line for line in self.lines if not re.search(r" # \S+ \S+", line)]
        assert not uncommented

    def test_defaults_lack_only_what_a_use_case_must_set(self):
        with pytest.raises(ParameterError) as error:
            check(load([]))
        assert [fault.split()[0] for fault in error.value.faults] == list(GOOD)
        assert all("is empty" in fault for fault in error.value.faults)

    @pytest.mark.parametrize("file", sorted(BASE.parent.glob("*.yaml")), ids=lambda file: file.stem)
    def test_every_bundled_file_is_valid(self, file):
        if file.stem in available():  # a profile, for any use case
            assert check(load([BASE.parent / "flights.yaml", file]))["backend"] == file.stem
        elif file != BASE:
            assert check(load([file]))["name"] == file.stem

    def test_checked_values_have_the_declared_types(self, laid):
        values = check(laid("test_fraction: 0.5\nendpoint_timeout_seconds: 30"))
        wrong = [name for name, spec in SPECS.items() if values[name] and not isinstance(values[name], spec.type)]
        assert not wrong
        assert type(values["endpoint_timeout_seconds"]) is float


class TestLayers:
    def test_last_file_wins_and_the_command_line_over_it(self, tmp_path):
        first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
        first.write_text("seed: 1\nthreads: 1\nsmoke_rows: 1")
        second.write_text("threads: 2\nsmoke_rows: 2")
        layers = load([first, second], ["smoke_rows=3"])
        assert [layers.values[name] for name in ("seed", "threads", "smoke_rows")] == [1, 2, 3]
        assert layers.sources["seed"] == str(first) and layers.sources["smoke_rows"] == "-p"
        assert layers.sources["test_fraction"] == "parameters/base.yaml"

    def test_dotted_name_sets_one_key_and_keeps_the_others(self, laid):
        text = "hyperparameters: {linear: {c: 1.0, seed: 2}, xgboost: {eta: 0.1}}"
        values = laid(text, "hyperparameters.linear.c=5").values
        assert values["hyperparameters"] == {"linear": {"c": 5, "seed": 2}, "xgboost": {"eta": 0.1}}

    def test_dotted_name_creates_a_missing_mapping(self, laid):
        assert laid("", "options.a.b=yes").values["options"] == {"a": {"b": True}}

    @pytest.mark.parametrize(
        ("assignment", "value"),
        [("data=a=b.csv", "a=b.csv"), (" data = x ", "x"), ("data='7'", "7"), ("drop_columns=[a, b]", ["a", "b"])],
    )
    def test_value_of_an_assignment_is_yaml(self, laid, assignment, value):
        name = assignment.partition("=")[0].strip()
        assert laid("", assignment).values[name] == value

    def test_empty_file_and_byte_order_mark_change_nothing(self, tmp_path):
        file = tmp_path / "my.yaml"
        file.write_bytes(b"\xef\xbb\xbf")
        assert load([file]) == load([])
        file.write_bytes(b"\xef\xbb\xbfseed: 5")
        assert load([file]).values["seed"] == 5

    def test_defaults_can_come_from_another_base(self, tmp_path):
        (tmp_path / "base.yaml").write_text("seed: 9")
        assert load([], base=tmp_path / "base.yaml").values == {"seed": 9}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "cp125o",
            "encoding.*there is no encoding 'cp125o'. Did you mean 'cp1250'. Python knows, among others",
        ),
        ("base64", "there is no encoding 'base64'"),
        ("iso-8859-22", "Did you mean 'iso8859_2'"),
    ],
)
def test_unknown_encoding_is_refused(name, message):
    with pytest.raises(ParameterError, match=message):
        check_given({"encoding": name})
    assert check_given({"encoding": "ISO-8859-2"}) == {"encoding": "ISO-8859-2"}


class TestOverrides:
    def test_values_replace_those_of_the_files(self):
        layers = load(["parameters/penguins.yaml"], overrides={"seed": 7, "hyperparameters.linear.c": 2})
        assert layers.values["seed"] == 7 and layers.sources["seed"] == "overrides"
        assert layers.values["hyperparameters"] == {"linear": {"c": 2}}

    def test_fault_names_overrides_as_its_source(self):
        with pytest.raises(ParameterError, match=r"seed \(overrides\): got text"):
            check(load(["parameters/penguins.yaml"], overrides={"seed": "seven"}))


class TestRenamed:
    @pytest.mark.parametrize(("old", "new"), RENAMED.items())
    def test_old_name_works_with_a_warning_that_gives_the_new_one(self, tmp_path, old, new):
        file = tmp_path / "my.yaml"
        file.write_text(yaml.safe_dump({old: BASE_VALUES[new]}))
        with pytest.warns(FutureWarning, match=f"my.yaml: {old} is now called {new}"):
            layers = load([file])
        assert layers.sources[new] == str(file) and old not in layers.values

    def test_command_line_and_overrides_accept_the_old_name(self):
        old, new = next(iter(RENAMED.items()))
        with pytest.warns(FutureWarning, match=f"-p: {old} is now called {new}"):
            assert load([], [f"{old}=0.5"]).values[new] == 0.5
        with pytest.warns(FutureWarning, match="overrides: "):
            assert load([], overrides={old: 0.5}).values[new] == 0.5

    def test_new_names_are_parameters_and_old_ones_are_not(self):
        assert set(RENAMED.values()) <= set(SPECS) and not set(RENAMED) & set(SPECS)

    def test_run_folder_of_an_earlier_release_still_loads(self, tmp_path):
        file = tmp_path / "parameters.yaml"
        file.write_text("azure: {}\nseed: 7")
        assert load([file]).values["seed"] == 7


class TestFiles:
    """A file that cannot be read is refused by its name, always as a ParameterError."""

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"seed: \xff", "is not UTF-8 text .byte 6."),
            (b"seed: [1", "is not YAML: line 1, column"),
            (b"\tseed: 1", "is not YAML: line 1, column 1"),
            (b"seed: 1\nthreads: 2\nseed: 3", "line 3: seed is given twice"),
            (b"options:\n  a: 1\n  a: 2", "line 3: a is given twice"),
            (b"- seed", "contains .'seed'.; expected lines such as 'name: value'"),
            (b"seed", "contains 'seed'; expected lines"),
            (b"seed: \0", "is not YAML"),
            (b"--- seed: 1\n--- seed: 2", "is not YAML"),
            (b"data: 2024-02-30", "line 1, column 7: '2024-02-30' cannot be read .day is out of range"),
            (b"seed: " + b"1" * 5000, "cannot be read .Exceeds the limit"),
            (b"seed: !!int seven", "'seven' cannot be read"),
            (b"fork_kernels: !!bool maybe", "'maybe' cannot be read"),
            (b"data: !!timestamp soon", "'soon' cannot be read"),
            (b"data: !!python/object:os.system x", "could not determine a constructor"),
            (b"? [a]\n: b", "a name must be plain text"),
            (b"seed: " + b"[" * 500, "nested too deeply"),
            (b"options: &a {b: *a}", "recursive"),
            (b"drop_columns: &a [*a]", "recursive"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_unreadable_file_is_refused_with_its_position(self, tmp_path, content, message):
        file = tmp_path / "mine.yaml"
        file.write_bytes(content)
        with pytest.raises(ParameterError, match=f"mine.yaml.*{message}"):
            load([file])

    def test_missing_file_is_reported_with_the_nearest_name(self):
        with pytest.raises(
            ParameterError, match="no parameter file parameters/penguin.yaml.*'parameters/penguins.yaml'"
        ):
            load(["parameters/penguin.yaml"])

    def test_folder_is_refused(self, tmp_path):
        with pytest.raises(ParameterError, match="no parameter file"):
            load([tmp_path])


class TestFaults:
    def test_good_parameters_have_no_faults(self, faults_of):
        assert faults_of() == []

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            # Unknown
            ("sead: 1", r"sead .*my.yaml. is not a parameter. Did you mean 'seed'\?"),
            ("1: 2", "1 .* is not a parameter"),
            ("null: 2", "None .* is not a parameter"),
            # Types that YAML infers
            ("data: 2024-01-01", r"data .*: got a date .* expected text. .*put quotes around it"),
            ("test_fraction: 1e-3", "got text .'1e-3'., expected a number. .*: write 0.001, without quotes"),
            ("seed: 1e3", "write 1000, without quotes"),
            ("min_score: 1e400", r"got text .'1e400'., expected a number\.$"),
            ("name: no", "name .*: got true or false .False., expected text. .*put quotes around it"),
            ("data: 12:30", "got a whole number .750., expected text"),
            ("fork_kernels: 1", "got a whole number .1., expected true or false"),
            ("seed: true", "got true or false .True., expected a whole number"),
            ("min_score: yes", "got true or false .True., expected a number"),
            ("seed: 7.0", "got a number .7.0., expected a whole number"),
            # Empty
            ("data:", "data .* is empty; expected text.* -p data=..."),
            ("training_functions: []", "training_functions .* is empty; expected a list"),
            # Ranges, and values that are not numbers
            ("test_fraction: 1", "1.0 is out of range; expected 0.01 to 0.9"),
            ("seed: -1", "-1 is out of range"),
            ("endpoint_port: 65536", "65536 is out of range; expected 0 to 65535"),
            ("test_fraction: .nan", "nan is not a finite number"),
            ("min_score: -.inf", "-inf is not a finite number"),
            ("min_score: 1" + "0" * 400, "inf is not a finite number"),
            ("positive_class: .nan", "positive_class .*expected text, a number, or true or false"),
            ("positive_class: [a]", "positive_class .*expected text, a number, or true or false"),
            # Choices
            ("task: Binary", "there is no task 'Binary'. Did you mean 'binary'"),
            ("pipeline: flight", "there is no pipeline 'flight'. Did you mean 'flights'"),
            ("training_functions: [linear, xgbost]", "no training function 'xgbost'. Did you mean 'xgboost'"),
            ("backend: remote", "there is no backend 'remote'. Known: local"),
            ("name: My_name", "'My_name' cannot be used; expected 3 to 32 lowercase letters"),
            # Lists and mappings
            ("drop_columns: a", r"got text .'a'., expected a list. Write \[a\]"),
            ("drop_columns: [a, 1]", "got a whole number .1. in the list, expected text. Put quotes"),
            ("drop_columns: [null]", "got nothing in the list"),
            ("drop_columns: [no]", "got true or false .False. in the list"),
            ("key_columns: [a, b, a]", "the list contains 'a' twice"),
            ("drop_columns: !!set {a, b}", "expected a list"),
            ("options: [a]", "got a list .* expected a mapping"),
            ("options: {since: 2024-01-01}", "options .*: since is a date .*Put quotes around it"),
            ("options: {a: [{b: .inf}]}", r"options .*: a\[0\]\.b is a number .inf.; expected .*a finite number"),
            ("options: {a: {1: b}}", "got a whole number .1. as a name in a, expected text"),
            # Combinations
            ("primary_metric: roc_auc", "'roc_auc' is not a metric of a regression task. .*Known: r2, rmse"),
            ("drop_columns: [n]", "drop_columns: 'n' is the target_column"),
            ("key_columns: [n]", "key_columns: 'n' is the target_column"),
            ("hyperparameters: {xgboost: {eta: 1}}", "xgboost is not in training_functions. Known: linear"),
            ("hyperparameters: {liner: {}}", "liner is not in training_functions. Did you mean 'linear'"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_each_fault_is_one_sentence(self, faults_of, text, message):
        (fault,) = faults_of(text)
        assert re.search(message, fault), fault

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("seed", "-p seed: expected name=value, e.g. -p seed=7."),
            ("=5", "-p =5: expected name=value"),
            (".=5", "-p .=5: expected name=value"),
            ("seed=[", "-p seed=. is not YAML: line 1, column 2"),
            ("seed=2024-02-30", "-p seed=2024-02-30 is not YAML.*cannot be read"),
            ("options={a: 1, a: 2}", "-p options=.*a is given twice"),
            ("options.x=&a [*a]", "-p options.x=.*recursive"),
            ("seed=" + "[" * 500, "nested too deeply"),
            ("sed=3", "sed .-p. is not a parameter. Did you mean 'seed'"),
            ("seed.x=3", "seed .-p.: got a mapping"),
            ("seed=two", "seed .-p.: got text .'two'., expected a whole number"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_fault_of_the_command_line_names_its_source(self, faults_of, assignment, message):
        (fault,) = faults_of("", assignment)
        assert re.search(message, fault), fault

    def test_all_faults_are_raised_together(self, laid):
        with pytest.raises(ParameterError) as error:
            check(laid("sead: 1\ntest_fraction: 5\ntask: binary", "broken", "threads=many"), CHOICES)
        assert len(error.value.faults) == 5
        assert str(error.value).startswith("5 parameters cannot be used:\n  - ")
        assert all(
            word in str(error.value) for word in ("sead", "test_fraction", "primary_metric", "broken", "threads")
        )

    def test_parameter_without_any_value_is_reported(self):
        values = {name: value for name, value in load([]).values.items() if name != "seed"}
        with pytest.raises(ParameterError, match="seed is missing"):
            check(Layers({**values, **GOOD}, {}, []))


class TestSomeParameters:
    def test_only_given_parameters_are_checked(self):
        assert check_given({"seed": 3, "test_data": "x"}) == {"seed": 3, "test_data": "x"}
        assert type(check_given({"min_score": 1})["min_score"]) is float

    def test_faults_name_their_parameter(self):
        with pytest.raises(ParameterError) as error:
            check_given({"seed": "3", "task": "binary", "primary_metric": "r2"})
        assert [fault.partition(":")[0] for fault in error.value.faults] == ["seed", "primary_metric"]


class TestParameters:
    parameters = Parameters({"seed": 3, "name": "bikes"})

    def test_values_are_read_by_attribute_and_by_key(self):
        assert self.parameters.seed == self.parameters["seed"] == 3
        assert dict(self.parameters) == {"seed": 3, "name": "bikes"} and len(self.parameters) == 2

    def test_unknown_name_is_reported_with_the_nearest(self):
        with pytest.raises(NameNotFound, match="no parameter 'sead'.*Did you mean 'seed'"):
            _ = self.parameters.sead
        assert "sead" not in self.parameters and self.parameters.get("name") == "bikes"

    def test_restriction_hides_undeclared_parameters(self):
        parameters = Parameters({"seed": 3, "name": "bikes", "train_data": "a"})
        with parameters.restricted_to(["name"], declared_in="lib/stages/train.py"):
            assert dict(parameters) == {"name": "bikes", "train_data": "a"} and len(parameters) == 2
            for read in (lambda: parameters.seed, lambda: parameters["seed"], lambda: parameters.get("seed")):
                with pytest.raises(NameNotFound, match="no parameter 'seed' in the PARAMETERS of lib/stages/train.py"):
                    read()
        assert parameters.seed == 3

    def test_private_attributes_raise_attribute_error(self):
        assert not hasattr(self.parameters, "_repr_html_")


CHARACTERS = "aZ01.-+e_ :é日\n\0"
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(CHARACTERS, max_size=8)
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=3)
    | st.sets(st.text(CHARACTERS, max_size=2), max_size=2)
    | st.sampled_from(["", "1e-3", "no", "binary", "linear", "r2", "a.csv"])
)
ANY = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.none() | st.booleans() | st.integers() | st.text(CHARACTERS, max_size=4) | st.dates(), inner, max_size=3
        )
    ),
    max_leaves=5,
)
QUICK = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", SPECS)
@QUICK
@given(value=ANY)
def test_any_value_raises_at_most_a_parameter_error(name, value):
    values = {**BASE_VALUES, **GOOD, name: value}
    try:
        checked = check(Layers(values, dict.fromkeys(values, "my.yaml"), []), CHOICES)
    except ParameterError as error:
        assert error.faults and all(fault.strip() for fault in error.faults)
    else:
        spec = SPECS[name]
        assert spec.may_be_empty or isinstance(checked[name], spec.type)


@QUICK
@given(text=st.text(alphabet="ab:-[]{}&*!?|>#'\"\n\t 0129.,<e~%@", max_size=30))
def test_any_assignment_raises_at_most_a_parameter_error(text):
    with pytest.raises(ParameterError):
        check(load([], [text, f"options={text}", f"options.a={text}"]))
