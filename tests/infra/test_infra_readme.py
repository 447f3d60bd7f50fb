"""infra/README.md is true: its tables match the code, and the files and targets it names exist."""

import re

import pytest

from tests.infra import terraform as tf

README = (tf.INFRA / "README.md").read_text()
ROOT = tf.INFRA.parent


def rows(first_header):
    """Return the rows of the table with this first header, each a list of its cells."""
    lines = README.split(f"| {first_header} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in lines]


def test_variable_table_matches_the_code():
    text = "\n".join(file.read_text() for file in sorted(tf.INFRA.glob("variables*.tf")))
    variables = []
    for name, body in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.M | re.S):
        default = re.search(r"^  default += (.*)$", body, re.M)
        meaning = re.search(r'description = "(.*)"', body)[1]
        variables.append([name, f"`{default[1]}`" if default else "given", meaning])
    assert rows("variable") == variables


def test_file_table_is_complete():
    named = {row[0].strip("`") for row in rows("file")}
    others = {"versions.tf", *(file.name for file in tf.INFRA.glob("variables*.tf"))}
    assert named == {file.name for file in tf.INFRA.glob("*.tf")} - others | {"bootstrap/"}


@pytest.mark.parametrize("environment", tf.ENVIRONMENTS)
def test_quota_matches_the_clusters_of_the_environment(plans, environment):
    clusters = [
        change["change"]["after"]
        for change in plans[environment]["resource_changes"]
        if change["type"] == "azurerm_machine_learning_compute_cluster"
    ]
    (gpu,) = [cluster for cluster in clusters if "_NC" in cluster["vm_size"]]
    cores = int(re.search(r"NC(\d+)", gpu["vm_size"])[1])
    nodes = gpu["scale_settings"][0]["max_node_count"]
    (row,) = [row for row in rows("quota for") if row[0] == environment]
    assert row[2].startswith(f"{cores * nodes} ({nodes} node")
    assert ("spot" in row[1]) == (gpu["vm_priority"] == "LowPriority")


def test_costs_add_up():
    *parts, total = rows("at rest")
    for column in (2, 3, 4):
        assert sum(int(row[column] or 0) for row in parts) == int(total[column])


def test_named_make_targets_exist():
    for prefix, makefile in (("make ", "Makefile"), ("make -C infra ", "infra/Makefile")):
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / makefile).read_text(), re.M))
        named = set(re.findall(rf"`{prefix}([a-z][a-z-]+)", README))
        assert named and named <= targets


def test_named_files_exist():
    named = set(re.findall(r"`((?:env|bootstrap|infra|tests|parameters)/[\w./-]+)`", README))
    created_later = {"infra/bootstrap/terraform.tfvars", "infra/.terraform.lock.hcl", "infra/outputs/dev.json"}
    missing = {name for name in named - created_later if not any((base / name).exists() for base in (tf.INFRA, ROOT))}
    assert named > created_later - {"infra/outputs/dev.json"}
    assert missing == set()
