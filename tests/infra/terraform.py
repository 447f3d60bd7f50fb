"""Terraform as the tests run it: on a copy of infra/, offline, with the real azurerm where it is installed."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.infra.stand_in import ADDRESS

INFRA = Path(__file__).parents[2] / "infra"
ENVIRONMENTS = ("dev", "test", "prod")
SECONDS = 900  # a quarter of a minute on a quiet machine; nobody knows how busy this one is
BINARY = shutil.which("terraform")


class Terraform(NamedTuple):
    """Terraform in a folder, with the environment that finds a provider."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run a command and return what it said, whether or not it failed."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "ARM_"))}
        quiet = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}  # no look for newer versions over the network
        return subprocess.run(
            [BINARY, *arguments],
            cwd=self.folder,
            env={**clean, **quiet, **self.environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def inside(self, module: str) -> "Terraform":
        """The same in a module below."""
        return self._replace(folder=self.folder / module)

    def events(self, *arguments: str) -> list[dict]:
        """What `terraform test` says, an event a line."""
        return [json.loads(line) for line in self("test", "-json", *arguments).stdout.splitlines()]

    def plan(self, environment: str, private: bool | None = None) -> dict:
        """What an environment would be, in the form of `terraform show -json`; ids are those of the mocks."""
        switch = [] if private is None else [f"-var=private={str(private).lower()}"]
        where = ["-test-directory=tests/environments", f"-var-file=env/{environment}.tfvars"]
        events = self.events("-verbose", *where, *switch)
        plans = [event["test_plan"] for event in events if event["type"] == "test_plan"]
        said = [event["diagnostic"]["detail"] for event in events if event["type"] == "diagnostic"]
        if not plans:
            raise Refused("\n".join(said))
        return plans[0]


class Refused(Exception):
    """Terraform made no plan; the message is its own."""


def copied(folder: Path, environment: dict[str, str]) -> Terraform:
    """A copy of infra/ in a folder, ready to be changed and run."""
    left_behind = shutil.ignore_patterns(".terraform*", "*.tfplan", "*.tfstate*", ".bin")
    shutil.copytree(INFRA, folder, ignore=left_behind)
    return Terraform(folder, environment)


def installed() -> Path | None:
    """Folder of providers that has the real azurerm, from `terraform init` in infra/ or in a place Terraform knows."""
    places = [INFRA / ".terraform/providers", *map(Path, filter(None, [os.environ.get("TF_PLUGIN_CACHE_DIR")]))]
    places += [Path.home() / ".terraform.d" / name for name in ("plugins", "plugin-cache")]
    places += [Path("/usr/local/share/terraform/plugins"), Path("/usr/share/terraform/plugins")]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    found = (place for place in places if any(place.glob(f"{ADDRESS}/5.*/{platform.system().lower()}_{machine}/*")))
    return next(found, None)


def provider_in_use() -> str:
    """The provider of this run's tests, in words."""
    place = installed()
    return (
        f"the real azurerm, from {place}" if place else "the stand-in for azurerm (schema only: values are not checked)"
    )
