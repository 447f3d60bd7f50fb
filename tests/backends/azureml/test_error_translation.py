"""Translation of Azure's errors, and retries of transient ones."""

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


class Response:
    """The attributes of a response that the SDKs store in an exception."""

    def __init__(self, status, headers=None, url=""):
        self.status_code, self.headers, self.reason = status, headers or {}, ""
        self.request = type("Request", (), {"url": url})

    def text(self, *_):
        return ""


def http_error(status, message="", headers=None, url=""):
    """Return an error like those of azure-core."""
    return azure.HttpResponseError(message=message, response=Response(status, headers, url))


def sdk_v1_error(message):
    """Return an error like those of azureml-core."""
    from azureml.exceptions import UserErrorException

    return UserErrorException(message)


def mlflow_error(code, message):
    """Return an error like those that MLflow raises for a response."""
    from mlflow.exceptions import RestException

    return RestException({"error_code": code, "message": message})


EXAMPLES = {
    "quota": sdk_v1_error(
        "Operation results in exceeding quota limits of Core. Maximum allowed: 0, Current in use: 0."
    ),
    "image build": sdk_v1_error(
        "Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt."
    ),
    "out of memory": sdk_v1_error(
        "AzureMLCompute job failed.\nJobContainerOutOfMemory: the job's container was killed. Exit code 137."
    ),
    "preemption": sdk_v1_error("The node was preempted."),
    "expired token": http_error(401, "(ExpiredAuthenticationToken) The access token has expired."),
    "wrong secret": azure.ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."),
    "storage access denied": http_error(
        403, "AuthorizationPermissionMismatch", url="https://st.blob.core.windows.net/data/x"
    ),
    "unhealthy endpoint": http_error(502, "upstream", url="https://x.eastus.inference.ml.azure.com/score"),
    "no logged models": mlflow_error("ENDPOINT_NOT_FOUND", "API request to /api/2.0/mlflow/logged-models failed"),
    "no workspace": http_error(
        404, "The Resource 'Microsoft.MachineLearningServices/workspaces/mlw' under resource group 'rg' ..."
    ),
    "not logged in": http_error(401),
    "not allowed": http_error(403),
    "not found": http_error(404),
    "conflict": http_error(409),
    "too many requests": http_error(429),
    "Azure server error": http_error(503),
    "no connection": azure.ServiceRequestError("Connection aborted."),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_known_errors_are_identified(name):
    assert identify_error(EXAMPLES[name]).name == name


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_retryable(status):
    assert identify_error(http_error(status)).is_retryable


def test_every_meaning_has_a_remedy():
    for known in KNOWN_ERRORS:
        assert known.meaning.count(".") >= 2 and known.meaning.endswith("."), known.name
        assert issubclass(known.error_type, MillraceError), known.name


def test_the_message_has_action_remedy_and_azures_text():
    error = translate_error(EXAMPLES["storage access denied"], "read the dataset flights, version 3")
    assert isinstance(error, DataError)
    assert str(error).startswith(
        "Azure ML: could not read the dataset flights, version 3. The storage account denied access"
    )
    assert "Storage Blob Data Contributor" in str(error) and str(error).endswith("AuthorizationPermissionMismatch")


def test_the_cause_determines_the_error_type():
    assert isinstance(translate_error(EXAMPLES["no workspace"], "x"), InputError)
    assert isinstance(translate_error(EXAMPLES["unhealthy endpoint"], "x"), EndpointError)
    assert type(translate_error(EXAMPLES["Azure server error"], "x")) is StageError


def test_unknown_errors_keep_azures_text():
    message = str(translate_error(RuntimeError("colourless green ideas"), "sleep"))
    assert message == "Azure ML: could not sleep. Azure rejected the request. Azure says: colourless green ideas"


def test_the_cause_identifies_an_error_without_a_status():
    outer = RuntimeError("it failed")
    outer.__cause__ = http_error(429)
    assert identify_error(outer).name == "too many requests"


def test_the_text_identifies_an_error_without_a_status():
    text = 'There is already a dataset registered under name "flights".'
    assert identify_error(sdk_v1_error(text)).name == "conflict"
    assert identify_error(sdk_v1_error("Request failed (429): slow down")).name == "too many requests"
    assert identify_error(http_error(400, "Another datastore with the same name already exists")).is_retryable


def test_handled_earlier_errors_are_ignored():
    try:
        try:
            raise http_error(404)
        except azure.HttpResponseError:
            raise http_error(503) from None
    except azure.HttpResponseError as error:
        assert identify_error(error).name == "Azure server error" and not is_not_found(error)


def test_local_mlflow_errors_are_not_server_errors():
    from mlflow.exceptions import MlflowException

    assert identify_error(MlflowException("Run 'x' has no artifact")).name == "unknown"


def test_error_text_is_one_short_line():
    assert (
        error_text(sdk_v1_error("Cannot find dataset\nregistered with name x"))
        == "Cannot find dataset registered with name x"
    )
    assert len(error_text(RuntimeError("x" * 9999))) < 1000
    assert error_text(RuntimeError()) == "RuntimeError"


def test_millrace_errors_and_interrupts_pass_unchanged():
    with pytest.raises(GateError, match="^held$"), translate_errors("look"):
        raise GateError("held")
    with pytest.raises(KeyboardInterrupt), translate_errors("look"):
        raise KeyboardInterrupt
    with pytest.raises(StageError, match="could not look.*does not exist"), translate_errors("look"):
        raise http_error(404)


def test_bugs_in_a_stage_are_not_translated():
    with pytest.raises(StageError, match="could not continue with train. The login has expired"):
        with translate_known_errors("continue with train"):
            raise mlflow_error("401", "HTTP 401: ExpiredAuthenticationToken: the token has expired")
    with pytest.raises(MemoryError, match="^none left$"), translate_known_errors("continue with train"):
        raise MemoryError("none left")
    with pytest.raises(ValueError, match="^quota of 3 rows$"), translate_known_errors("continue with train"):
        raise ValueError("quota of 3 rows")


def test_only_missing_resources_are_not_found():
    assert is_not_found(http_error(404)) and is_not_found(sdk_v1_error('Cannot find dataset registered with name "x"'))
    assert not is_not_found(http_error(403)) and not is_not_found(http_error(500, "not found"))


class TestRetry:
    def failing(self, *errors):
        """Return a function that raises the errors one after another and then succeeds, and a list of pauses."""
        remaining, pauses = list(errors), []

        def call():
            if remaining:
                raise remaining.pop(0)
            return "done"

        return call, pauses

    def test_transient_errors_are_retried_with_longer_pauses(self):
        call, pauses = self.failing(http_error(503), http_error(500), azure.ServiceResponseError("Connection reset"))
        assert retry(call, "look", sleep=pauses.append) == "done"
        assert pauses == [1, 2, 4]

    def test_retry_after_is_respected(self):
        call, pauses = self.failing(http_error(429, headers={"Retry-After": "17"}))
        assert retry(call, "look", sleep=pauses.append) == "done"
        assert pauses == [17]

    def test_permanent_errors_are_not_retried(self):
        call, pauses = self.failing(http_error(403))
        with pytest.raises(StageError, match="does not have permission"):
            retry(call, "look", sleep=pauses.append)
        assert pauses == []

    def test_attempts_are_limited(self):
        call, pauses = self.failing(*[http_error(503)] * 9)
        with pytest.raises(StageError, match="could not look"):
            retry(call, "look", attempts=3, sleep=pauses.append)
        assert len(pauses) == 2

    def test_millrace_errors_are_not_retried(self):
        call, pauses = self.failing(GateError("held"))
        with pytest.raises(GateError):
            retry(call, "look", sleep=pauses.append)
        assert pauses == []
