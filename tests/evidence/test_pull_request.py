"""The comment on a pull request, written to a server that answers like Azure DevOps."""

import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lib.commands import main
from lib.evidence.pull_request import PullRequest, PullRequestError, extract_runs
from tests.evidence.published_runs import EVALUATION, result, write_run

TOKEN = "token-of-the-build"


class Server(HTTPServer):
    """A server with the builds, artifacts and threads of one project."""

    def __init__(self):
        self.threads, self.builds, self.archive, self.requests, self.status = [], [], b"", [], 200
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def _answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        server = self.server
        server.requests.append((self.command, self.path, body))
        if self.headers["Authorization"] != f"Bearer {TOKEN}" or server.status != 200:
            self.send_error(server.status if server.status != 200 else 401)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self._content(body))

    do_GET = do_POST = do_PATCH = _answer

    def _content(self, body):
        server, path = self.server, self.path.partition("?")[0]
        if path == "/archive":
            return server.archive
        if path.endswith("/artifacts"):
            url = f"http://127.0.0.1:{server.server_port}/archive"
            return json.dumps({"value": [{"name": "runs-laptop", "resource": {"downloadUrl": url}}]}).encode()
        if path.endswith("/builds"):
            return json.dumps({"value": server.builds}).encode()
        if self.command == "POST":
            server.threads.append({"id": 7, "comments": [{"id": 1, **body["comments"][0]}]})
        elif self.command == "PATCH":
            server.threads[0]["comments"][0] |= body
        return json.dumps({"value": server.threads}).encode()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def build(server, tmp_path, monkeypatch):
    """Return a function that comments like a build of the pull request 12."""
    variables = {
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "12",
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        "SYSTEM_COLLECTIONURI": f"http://127.0.0.1:{server.server_port}/org/",
        "SYSTEM_TEAMPROJECT": "My Project",
        "SYSTEM_DEFINITIONID": "3",
        "BUILD_REPOSITORY_ID": "repo",
        "BUILD_REPOSITORY_PROVIDER": "TfsGit",
        "SYSTEM_ACCESSTOKEN": TOKEN,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    write_run(tmp_path / "runs" / "run-2", parameters={"seed": 9})
    return lambda: main(["comment", "--artifact", "runs-laptop", "-p", f"runs_folder={tmp_path / 'runs'}"])


def archive_of(folder, prefix="runs-laptop"):
    """Return a ZIP file of a folder, as Azure DevOps sends an artifact."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, f"{prefix}/{file.relative_to(folder)}")
    return content.getvalue()


def test_comment_compares_with_the_target_branch(server, build, tmp_path, capsys):
    contenders = [{"name": "linear", "run_id": "r0", "score": 0.75}]
    write_run(tmp_path / "target" / "run-1", {"evaluate": result(**EVALUATION | {"contenders": contenders})})
    server.builds, server.archive = [{"id": 5}], archive_of(tmp_path / "target")
    assert build() == 0
    assert capsys.readouterr().out == "Commented on pull request 12.\n"
    method, path, body = server.requests[-1]
    assert method == "POST" and path.startswith(
        "/org/My%20Project/_apis/git/repositories/repo/pullRequests/12/threads?"
    )
    assert body["status"] == "closed"
    text = body["comments"][0]["content"]
    assert (
        "Compared with main:" in text and "| seed | 7 | 9 |" in text and "| score of linear | 0.7500 | 0.8100 |" in text
    )
    assert "## shop: succeeded" in text
    query = next(path for _, path, _ in server.requests if "/builds?" in path)
    assert "branchName=refs%2Fheads%2Fmain" in query and "resultFilter=succeeded" in query and "definitions=3" in query


def test_later_build_replaces_the_comment(server, build):
    server.threads.append({"id": 1, "comments": [{"id": 1, "content": "Looks good to me."}]})
    server.threads.insert(
        0, {"id": 7, "comments": [{"id": 1, "content": "<!-- millrace: comparison of runs -->\nold"}]}
    )
    assert build() == 0
    method, path, body = server.requests[-1]
    assert method == "PATCH" and "/threads/7/comments/1?" in path and "## shop: succeeded" in body["content"]


def test_without_a_run_of_the_target_branch_the_comment_says_so(server, build):
    assert build() == 0
    assert "There is no run of shop on main to compare with." in server.threads[0]["comments"][0]["content"]


@pytest.mark.parametrize(("status", "hint"), [(403, "Contribute to pull requests"), (500, "answers 500")])
def test_refused_comment_is_an_error_without_the_token(server, build, capsys, status, hint):
    server.status = status
    assert build() == 2
    error = capsys.readouterr().err
    assert hint in error and TOKEN not in error


def test_other_builds_do_nothing(monkeypatch, capsys):
    monkeypatch.delenv("SYSTEM_PULLREQUEST_PULLREQUESTID", raising=False)
    assert main(["comment", "--artifact", "runs-laptop"]) == 0
    assert "not the build of a pull request" in capsys.readouterr().out


def test_pull_requests_elsewhere_and_missing_tokens_are_explained():
    variables = {"SYSTEM_PULLREQUEST_PULLREQUESTID": "1", "BUILD_REPOSITORY_PROVIDER": "GitHub"}
    assert "not in Azure Repos" in PullRequest.from_environment(variables)
    with pytest.raises(PullRequestError, match="SYSTEM_ACCESSTOKEN is not set"):
        PullRequest.from_environment({"SYSTEM_PULLREQUEST_PULLREQUESTID": "1"})


def test_paths_in_an_artifact_cannot_leave_the_folder(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("runs/../../run.json", "/etc/run.json", "runs/run-1/run.json", "runs/run-1/evil.sh", "run.json"):
            archive.writestr(name, "{}")
    (tmp_path / "inside").mkdir()
    extract_runs(content.getvalue(), tmp_path / "inside")
    files = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert files <= {"inside/run-1/run.json", "inside/etc/run.json"}
