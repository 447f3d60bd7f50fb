"""Errors that contain a resolved secret: the message, the causes, the notes and the traceback are masked."""

import gc
import http.server
import os
import threading
import traceback
import urllib.error
import urllib.request

import pytest

from lib.errors import DataError, NameNotFound, ParameterError
from lib.secrets import known_values, references
from lib.secrets.masked_errors import mask_error, masked_errors
from lib.tables import sources

SIGNATURE = "sv=2024-11-04&sig=Zm9vYmFyYmF6cXV4%2Bquux%3D&sp=r"
DECODED = "Zm9vYmFyYmF6cXV4+quux="
NAME = "MILLRACE_TEST_SAS"


@pytest.fixture(autouse=True)
def signature(monkeypatch):
    monkeypatch.setenv(NAME, SIGNATURE)
    yield
    known_values.forget_all()


def shown(error):
    """Return all that Python and IPython show of an error."""
    return "".join([*traceback.format_exception(error), str(error), repr(error)])


@pytest.fixture(scope="module")
def server():
    """Return the address of a server that answers each request with the status in its path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status = int(self.path.strip("/").partition("/")[0])
            body = f"no access with {self.path}".encode()
            self.send_response(status, f"status for {self.path}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("status", [401, 403, 404, 416, 500])
@pytest.mark.parametrize("address", ["{server}/{status}/shop.csv?${{{name}}}", "env:MILLRACE_TEST_URL"])
def test_an_http_error_shows_the_reference(server, status, address, monkeypatch):
    pytest.importorskip("aiohttp", reason='needs make install GROUPS="sources"')
    monkeypatch.setenv("MILLRACE_TEST_URL", f"{server}/{status}/shop.csv?{SIGNATURE}")
    address = address.format(server=server, status=status, name=NAME)
    with pytest.raises(DataError) as caught:
        sources.read(address)
    assert ("${MILLRACE_TEST_SAS}" if "{" in address else "env:MILLRACE_TEST_URL") in str(caught.value)
    assert not {part for part in (SIGNATURE, DECODED, "Zm9vYmFy") if part in shown(caught.value)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # clients leave connections open
def test_errors_of_other_clients_show_the_reference(server):
    references.expand_address("${MILLRACE_TEST_SAS}")
    url = f"{server}/403/shop.csv?{SIGNATURE}"

    def open_with_urllib():
        urllib.request.urlopen(url)

    def open_with_pandas():
        import pandas as pd

        pd.read_csv(url)

    def open_with_requests():
        import requests

        requests.get(url, timeout=10).raise_for_status()

    def connect_to_nothing():
        import requests

        requests.get(f"http://127.0.0.1:9/x?{SIGNATURE}", timeout=1)

    def raise_from_another():
        try:
            open_with_urllib()
        except urllib.error.HTTPError as error:
            error.add_note(f"tried {DECODED}")
            raise KeyError(url, {"query": [SIGNATURE]}) from error

    for call in (open_with_urllib, open_with_pandas, open_with_requests, connect_to_nothing, raise_from_another):
        with pytest.raises(Exception) as caught, masked_errors():
            call()
        assert "Zm9vYmFy" not in shown(caught.value), call.__name__
        assert "${MILLRACE_TEST_SAS}" in shown(caught.value), call.__name__
        del caught
        gc.collect()


def test_errors_without_secrets_and_their_type_stay():
    references.expand_address("${MILLRACE_TEST_SAS}")
    error = ValueError("seven")
    assert mask_error(error) is error
    for known in (FileNotFoundError(2, "no", f"x?{SIGNATURE}"), NameNotFound("table", SIGNATURE, ["a"])):
        assert mask_error(known) is known and SIGNATURE not in str(known)
    faults = ParameterError([f"data: {SIGNATURE}", "seed"])
    assert mask_error(faults) is faults and faults.faults == ["data: ${MILLRACE_TEST_SAS}", "seed"]


def test_only_braces_expand_and_an_unset_variable_is_named():
    assert references.expand_address(f"https://x?${NAME}&%{NAME}%") == f"https://x?${NAME}&%{NAME}%"
    assert references.expand_address(f"a${{{NAME}}}b") == f"a{SIGNATURE}b"
    os.environ.pop("MILLRACE_UNSET", None)
    with pytest.raises(DataError, match="MILLRACE_UNSET is not set"):
        sources.read("https://example.com/${MILLRACE_UNSET}")
    with pytest.raises(DataError, match="MILLRACE_UNSET is not set"):
        sources.read("env:MILLRACE_UNSET")


def test_a_database_error_shows_the_reference(tmp_path, monkeypatch):
    monkeypatch.setenv("MILLRACE_TEST_PASSWORD", "geheim/geheim")
    with pytest.raises(DataError) as caught:
        sources.read("sqlite:///" + str(tmp_path / "none") + "/${MILLRACE_TEST_PASSWORD}.db#t")
    assert "geheim" not in shown(caught.value)
