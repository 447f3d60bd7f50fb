"""The stand-in's schema: complete for infra/, and equal to the schema in the provider's wheel."""

import json
import subprocess
import sys

import pytest

from tests.infra.schema_of_wheel import schema_of, used
from tests.infra.stand_in import ADDRESS, SCHEMA

MAKEFILE = (SCHEMA.parents[2] / "Makefile").read_text()


def test_schema_has_every_type_used_in_infra():
    schema = json.loads(SCHEMA.read_text())["provider_schemas"][ADDRESS]
    assert set(schema["resource_schemas"]) == used()["resource"], "run `make infra-schema`"
    assert set(schema["data_source_schemas"]) == used()["data"], "run `make infra-schema`"


@pytest.mark.slow
def test_schema_matches_the_wheel(tmp_path):
    (requirement,) = [word for word in MAKEFILE.split() if word.startswith("cdktn-provider-azurerm==")]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", tmp_path, requirement]
    fetched = subprocess.run(download, capture_output=True, text=True, timeout=250)
    if fetched.returncode:
        pytest.skip(f"{requirement} cannot be fetched: {fetched.stderr.strip().splitlines()[-1]}")
    (wheel,) = tmp_path.glob("*.whl")
    assert schema_of(wheel) == SCHEMA.read_text()
