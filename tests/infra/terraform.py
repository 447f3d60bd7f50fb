"""Terraform for the tests: offline on a copy of infra/, with the real azurerm provider if it is installed."""

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
TIMEOUT_SECONDS = 900  # a command takes about 15 seconds, but much longer on a busy machine
BINARY = shutil.which("terraform")


class Terraform(NamedTuple):
    """Terraform in a folder, with environment variables to find a provider."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run a command and return the completed process, even if it failed."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "ARM_"))}
        quiet = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}  # no check for newer versions over the network
        return subprocess.run(
            [BINARY, *arguments],
            cwd=self.folder,
            env={**clean, **quiet, **self.environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )

    def inside(self, module: str) -> "Terraform":
        """Return the Terraform of a submodule."""
        return self._replace(folder=self.folder / module)

    def events(self, *arguments: str) -> list[dict]:
        """Run `terraform test` and return its JSON events."""
        return [json.loads(line) for line in self("test", "-json", *arguments).stdout.splitlines()]

    def plan(self, environment: str, private: bool | None = None) -> dict:
        """Plan an environment with mocked ids, and return the plan in the format of `terraform show -json`.

        Raises
        ------
        PlanFailed
            If Terraform creates no plan.
        """
        switch = [] if private is None else [f"-var=private={str(private).lower()}"]
        where = ["-test-directory=tests/environments", f"-var-file=env/{environment}.tfvars"]
        events = self.events("-verbose", *where, *switch)
        plans = [event["test_plan"] for event in events if event["type"] == "test_plan"]
        messages = [event["diagnostic"]["detail"] for event in events if event["type"] == "diagnostic"]
        if not plans:
            raise PlanFailed("\n".join(messages))
        return plans[0]


class PlanFailed(Exception):
    """Terraform created no plan. The message is Terraform's."""


def copy_infra(folder: Path, environment: dict[str, str]) -> Terraform:
    """Copy infra/ into a folder, where it can be changed and run."""
    ignored = shutil.ignore_patterns(".terraform*", "*.tfplan", "*.tfstate*", ".bin")
    shutil.copytree(INFRA, folder, ignore=ignored)
    return Terraform(folder, environment)


def installed_providers() -> Path | None:
    """Return the provider folder that contains the real azurerm provider, or None."""
    folders = [INFRA / ".terraform/providers", *map(Path, filter(None, [os.environ.get("TF_PLUGIN_CACHE_DIR")]))]
    folders += [Path.home() / ".terraform.d" / name for name in ("plugins", "plugin-cache")]
    folders += [Path("/usr/local/share/terraform/plugins"), Path("/usr/share/terraform/plugins")]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    matches = (
        folder for folder in folders if any(folder.glob(f"{ADDRESS}/5.*/{platform.system().lower()}_{machine}/*"))
    )
    return next(matches, None)


def provider_in_use() -> str:
    """Describe the provider that the tests use."""
    folder = installed_providers()
    return (
        f"the real azurerm, from {folder}"
        if folder
        else "the stand-in for azurerm (schema only: values are not checked)"
    )
