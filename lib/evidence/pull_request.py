"""The pull request of a build in Azure Pipelines: the runs of its target branch, and a comment on it.

https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads
https://learn.microsoft.com/rest/api/azure/devops/build/artifacts/get-artifact
"""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

from lib.errors import MillraceError

_API = "api-version=7.1"
_TIMEOUT_SECONDS = 60
_MARK = "<!-- millrace: comparison of runs -->"
_AZURE_REPOS = "TfsGit"
_RUN_FILES = ("run.json", "parameters.yaml", "manifest.json")
_MAX_FILE_BYTES = 100_000_000
_CLOSED = "closed"  # a comment to read, not a question that blocks the pull request


class PullRequestError(MillraceError):
    """Azure DevOps refused a request about a pull request."""

    exit_code = 2


@dataclass(frozen=True)
class PullRequest:
    """The pull request that a build is for.

    Attributes
    ----------
    project_url : str
        Address of the project in Azure DevOps.
    repository, number : str
    target_branch : str
        Such as ``refs/heads/main``.
    pipeline : str
        Number of the pipeline's definition.
    token : str
        ``System.AccessToken``.
    """

    project_url: str
    repository: str
    number: str
    target_branch: str
    pipeline: str
    token: str

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> PullRequest | str:
        """Return the pull request of this build, or a sentence that says why there is none to comment on.

        Raises
        ------
        PullRequestError
            If the build has a pull request, but no token.
        """
        number = variables.get("SYSTEM_PULLREQUEST_PULLREQUESTID", "")
        if not number:
            return "This is not the build of a pull request, so there is nothing to comment on."
        if variables.get("BUILD_REPOSITORY_PROVIDER", _AZURE_REPOS) != _AZURE_REPOS:
            return "The pull request is not in Azure Repos; the build's page shows the summary instead."
        if not variables.get("SYSTEM_ACCESSTOKEN"):
            raise PullRequestError(
                "SYSTEM_ACCESSTOKEN is not set. In the pipeline's step, write env: {SYSTEM_ACCESSTOKEN: "
                "$(System.AccessToken)}."
            )
        collection = variables["SYSTEM_COLLECTIONURI"].rstrip("/")
        return cls(
            project_url=f"{collection}/{quote(variables['SYSTEM_TEAMPROJECT'])}",
            repository=variables["BUILD_REPOSITORY_ID"],
            number=number,
            target_branch=variables["SYSTEM_PULLREQUEST_TARGETBRANCH"],
            pipeline=variables["SYSTEM_DEFINITIONID"],
            token=variables["SYSTEM_ACCESSTOKEN"],
        )

    def download_target_runs(self, artifact: str, folder: Path) -> bool:
        """Download the runs that the newest successful build of the target branch has published.

        Parameters
        ----------
        artifact : str
            Name of the artifact.
        folder : Path
            Receives a folder for each run, with its record, parameters, manifest and notebooks.

        Returns
        -------
        bool
            Whether there is such a build with such an artifact.
        """
        query = {
            "definitions": self.pipeline,
            "branchName": self.target_branch,
            "resultFilter": "succeeded",
            "$top": 1,
        }
        builds = self._send("GET", f"_apis/build/builds?{urlencode(query)}&{_API}")["value"]
        if not builds:
            return False
        address = f"_apis/build/builds/{builds[0]['id']}/artifacts?{_API}"
        artifacts = {each["name"]: each for each in self._send("GET", address)["value"]}
        if artifact not in artifacts:
            return False
        extract_runs(self._request("GET", artifacts[artifact]["resource"]["downloadUrl"]), folder)
        return True

    def comment(self, text: str) -> None:
        """Write the comment, or replace the one that an earlier build wrote."""
        threads = f"_apis/git/repositories/{self.repository}/pullRequests/{self.number}/threads"
        content = f"{_MARK}\n{text}"
        for thread in self._send("GET", f"{threads}?{_API}")["value"]:
            for comment in thread.get("comments", []):
                if str(comment.get("content", "")).startswith(_MARK):
                    address = f"{threads}/{thread['id']}/comments/{comment['id']}?{_API}"
                    self._send("PATCH", address, {"content": content})
                    return
        comment = {"parentCommentId": 0, "content": content, "commentType": "text"}
        self._send("POST", f"{threads}?{_API}", {"comments": [comment], "status": _CLOSED})

    def _send(self, method: str, address: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return json.loads(self._request(method, f"{self.project_url}/{address}", body))

    def _request(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> bytes:
        request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            hint = ""
            if error.code in (401, 403):
                hint = (
                    ' Allow "Contribute to pull requests" to the build service in the repository\'s security settings.'
                )
            raise PullRequestError(
                f"Azure DevOps answers {error.code} to {method} {url.partition('?')[0]}.{hint}"
            ) from None
        except OSError as error:
            raise PullRequestError(f"Azure DevOps cannot be reached at {url.partition('?')[0]}: {error}.") from None


def extract_runs(content: bytes, folder: Path) -> None:
    """Extract the records, parameters, manifests and notebooks of the runs in an artifact.

    Parameters
    ----------
    content : bytes
        A ZIP file with the folder of runs; other files, and paths that lead elsewhere, are left out.
    folder : Path
        Receives a folder for each run.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            is_wanted = path.name in _RUN_FILES or path.suffix == ".ipynb"
            if len(path.parts) < 2 or not is_wanted or ".." in path.parts or entry.file_size > _MAX_FILE_BYTES:
                continue
            file = folder / path.parts[-2] / path.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(entry))
