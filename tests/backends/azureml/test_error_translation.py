"""What Azure's errors mean for a person, and which are tried again."""

import pytest

from lib.backends.azureml.error_translation import (
    error_text,
    identify_error,
    is_not_found,
    retry,
    translate_error,
    translate_errors,
    translate_known_errors,
)
from lib.backends.azureml.known_errors import KNOWN_ERRORS
from lib.errors import DataError, EndpointError, GateError, InputError, MillraceError, StageError

azure = pytest.importorskip("azure.core.exceptions", reason='needs make install GROUPS="azure"')
pytest.importorskip("azureml.core", reason='needs make install GROUPS="azure"')


class Answer:
    """What the SDKs keep of a response."""

    def __init__(self, status, headers=None, url=""):
        self.status_code, self.headers, self.reason = status, headers or {}, ""
        self.request = type("Request", (), {"url": url})

    def text(self, *_):
        return ""


def http(status, message="", headers=None, url=""):
    """Error as azure-core raises it."""
    return azure.HttpResponseError(message=message, response=Answer(status, headers, url))


def v1(message):
    """Error as azureml-core raises it."""
    from azureml.exceptions import UserErrorException

    return UserErrorException(message)


def mlflow(code, message):
    """Error as MLflow raises it of an answer."""
    from mlflow.exceptions import RestException

    return RestException({"error_code": code, "message": message})


KNOWN = {
    "quota": v1("Operation results in exceeding quota limits of Core. Maximum allowed: 0, Current in use: 0."),
    "image build": v1("Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt."),
    "out of memory": v1(
        "AzureMLCompute job failed.\nJobContainerOutOfMemory: the job's container was killed. Exit code 137."
    ),
    "preemption": v1("The node was preempted."),
    "expired token": http(401, "(ExpiredAuthenticationToken) The access token has expired."),
    "wrong secret": azure.ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."),
    "storage refuses": http(403, "AuthorizationPermissionMismatch", url="https://st.blob.core.windows.net/data/x"),
    "unhealthy endpoint": http(502, "upstream", url="https://x.eastus.inference.ml.azure.com/score"),
    "no logged models": mlflow("ENDPOINT_NOT_FOUND", "API request to /api/2.0/mlflow/logged-models failed"),
    "no workspace": http(
        404, "The Resource 'Microsoft.MachineLearningServices/workspaces/mlw' under resource group 'rg' ..."
    ),
    "not logged in": http(401),
    "not allowed": http(403),
    "not found": http(404),
    "conflict": http(409),
    "too many requests": http(429),
    "trouble at Azure": http(503),
    "no connection": azure.ServiceRequestError("Connection aborted."),
}


@pytest.mark.parametrize("name", KNOWN)
def test_it_is_known_for_what_it_is(name):
    assert identify_error(KNOWN[name]).name == name


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_at_azure_has_many_numbers(status):
    assert identify_error(http(status)).again


def test_every_explanation_says_what_to_do():
    for one in KNOWN_ERRORS:
        assert one.meaning.count(".") >= 2 and one.meaning.endswith("."), one.name
        assert issubclass(one.kind, MillraceError), one.name


def test_the_message_has_what_was_tried_what_to_do_and_what_azure_says():
    error = translate_error(KNOWN["storage refuses"], "read the dataset flights, version 3")
    assert isinstance(error, DataError)
    assert str(error).startswith(
        "Azure ML: could not read the dataset flights, version 3. The storage account does not let"
    )
    assert "Storage Blob Data Contributor" in str(error) and str(error).endswith("AuthorizationPermissionMismatch")


def test_who_is_at_fault_decides_the_kind():
    assert isinstance(translate_error(KNOWN["no workspace"], "x"), InputError)
    assert isinstance(translate_error(KNOWN["unhealthy endpoint"], "x"), EndpointError)
    assert type(translate_error(KNOWN["trouble at Azure"], "x")) is StageError


def test_what_nobody_foresaw_keeps_azures_own_words():
    said = str(translate_error(RuntimeError("colourless green ideas"), "sleep"))
    assert said == "Azure ML: could not sleep. Azure refused it. Azure says: colourless green ideas"


def test_the_cause_counts_where_the_error_itself_says_nothing():
    outer = RuntimeError("it failed")
    outer.__cause__ = http(429)
    assert identify_error(outer).name == "too many requests"


def test_a_refusal_is_known_by_its_words_where_the_sdk_drops_the_status():
    said = 'There is already a dataset registered under name "flights".'
    assert identify_error(v1(said)).name == "conflict"
    assert identify_error(v1("Request failed (429): slow down")).name == "too many requests"
    assert identify_error(http(400, "Another datastore with the same name already exists")).again


def test_what_was_dealt_with_before_does_not_count():
    try:
        try:
            raise http(404)
        except azure.HttpResponseError:
            raise http(503) from None
    except azure.HttpResponseError as error:
        assert identify_error(error).name == "trouble at Azure" and not is_not_found(error)


def test_mlflows_errors_of_its_own_are_no_trouble_at_azure():
    from mlflow.exceptions import MlflowException

    assert identify_error(MlflowException("Run 'x' has no artifact")).name == "unknown"


def test_of_many_lines_the_message_is_kept():
    assert error_text(v1("Cannot find dataset\nregistered with name x")) == "Cannot find dataset registered with name x"
    assert len(error_text(RuntimeError("x" * 9999))) < 1000
    assert error_text(RuntimeError()) == "RuntimeError"


def test_what_is_raised_on_purpose_passes():
    with pytest.raises(GateError, match="^held$"), translate_errors("look"):
        raise GateError("held")
    with pytest.raises(KeyboardInterrupt), translate_errors("look"):
        raise KeyboardInterrupt
    with pytest.raises(StageError, match="could not look.*not there"), translate_errors("look"):
        raise http(404)


def test_in_a_stage_what_azure_refuses_is_told_from_mistakes_in_its_code():
    with pytest.raises(StageError, match="could not go on with train. The login has expired"):
        with translate_known_errors("go on with train"):
            raise mlflow("401", "HTTP 401: ExpiredAuthenticationToken: the token has expired")
    with pytest.raises(MemoryError, match="^none left$"), translate_known_errors("go on with train"):
        raise MemoryError("none left")
    with pytest.raises(ValueError, match="^quota of 3 rows$"), translate_known_errors("go on with train"):
        raise ValueError("quota of 3 rows")


def test_absence_is_told_from_refusal():
    assert is_not_found(http(404)) and is_not_found(v1('Cannot find dataset registered with name "x"'))
    assert not is_not_found(http(403)) and not is_not_found(http(500, "not found"))


class TestPatience:
    def failing(self, *errors):
        """Call that raises each of some errors, and then answers."""
        left, pauses = list(errors), []

        def call():
            if left:
                raise left.pop(0)
            return "done"

        return call, pauses

    def test_what_passes_is_tried_again_with_longer_pauses(self):
        call, pauses = self.failing(http(503), http(500), azure.ServiceResponseError("Connection reset"))
        assert retry(call, "look", sleep=pauses.append) == "done"
        assert pauses == [1, 2, 4]

    def test_retry_after_is_kept(self):
        call, pauses = self.failing(http(429, headers={"Retry-After": "17"}))
        assert retry(call, "look", sleep=pauses.append) == "done"
        assert pauses == [17]

    def test_what_stays_is_explained_at_once(self):
        call, pauses = self.failing(http(403))
        with pytest.raises(StageError, match="may not do that"):
            retry(call, "look", sleep=pauses.append)
        assert pauses == []

    def test_it_ends(self):
        call, pauses = self.failing(*[http(503)] * 9)
        with pytest.raises(StageError, match="could not look"):
            retry(call, "look", attempts=3, sleep=pauses.append)
        assert len(pauses) == 2

    def test_an_error_on_purpose_is_none_of_azures(self):
        call, pauses = self.failing(GateError("held"))
        with pytest.raises(GateError):
            retry(call, "look", sleep=pauses.append)
        assert pauses == []
