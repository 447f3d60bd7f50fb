"""The schema of the azurerm provider, read out of the wheel of cdktn-provider-azurerm, for the types that infra/ uses.

Terraform's registry may be out of reach where PyPI is not. The wheel's JavaScript was generated from the provider's
schema and still says all of it that is checked here: beside each attribute a comment with its name and whether it is
computed, optional or required, below that a getter that tells its type, and in the functions that write HCL whether it
is a block, a list or a set. Lost are the limits of blocks that may stand more than once and the mark of sensitive
attributes, which SENSITIVE restores. `make infra-schema` runs this.
"""

import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.infra.stand_in import ADDRESS, SCHEMA

INFRA = Path(__file__).parents[2] / "infra"

CLASS = re.compile(r"^class (\w+) extends ([\w.]+) \{\n(.*?)^\}", re.S | re.M)
HCL_FUNCTION = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.S | re.M)
HCL_METHOD = re.compile(r"synthesizeHclAttributes\(\) \{(.*?)\n    \}", re.S)
HCL_ENTRY = re.compile(
    r'(\w+): \{\n\s+value: .*,\n\s+isBlock: (true|false),\n\s+type: "(\w+)",\n\s+storageClassType: "([\w\[\]]+)",'
)
MEMBER = re.compile(
    r"// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n"
    r"((?:(?!\s*// \w+ - computed).*\n){1,4})"
)
NESTED = re.compile(r'= new (\w+?)(OutputReference|List|Map)\(this, "\w+"(?:, (true|false))?\)')
MAP_OF = re.compile(r"= new cdktn\.(\w+)Map\(|this\.get(\w+)MapAttribute\(")
GETTER = re.compile(r"this\.get(String|Number|Boolean|List|NumberList)Attribute\(")
PRIMITIVES = {"String": "string", "Number": "number", "Boolean": "bool", "Any": "string"}
# The wheel does not say which attributes the provider marks as sensitive; these are the ones of the types used here.
SENSITIVE = re.compile(
    r"\w*(access_key|account_key|shared_key|instrumentation_key|connection_string|shared_access_signature|password)"
)
STORED = {"string": "string", "number": "number", "boolean": "bool"}


class Source:
    """One file of the wheel's JavaScript: the classes of a resource and of its blocks."""

    def __init__(self, text: str):
        self.classes = {name: body for name, _, body in CLASS.findall(text)}
        self.functions = {name: _hcl_entries(body) for name, body in HCL_FUNCTION.findall(text)}
        base = {kind: name for name, kind, _ in CLASS.findall(text) if kind.startswith("cdktn.Terraform")}
        self.kind, self.main = next(iter(base.items()), ("", ""))

    def schema(self) -> dict:
        """Return the schema of the resource, data source or provider."""
        body = self.classes[self.main]
        entries = _hcl_entries(HCL_METHOD.search(body)[1]) if HCL_METHOD.search(body) else {}
        block = self._block(body, entries)
        if self.kind == "cdktn.TerraformProvider":  # written without comments: every argument is optional
            block = self._configured(entries)
        return {"version": 0, "block": block}

    def _block(self, body: str, entries: dict) -> dict:
        attributes, blocks = {}, {}
        for name, *flags, code in MEMBER.findall(body):
            computed, optional, required = (flag == "true" for flag in flags)
            flags_set = {"computed": computed, "optional": optional, "required": required}
            flags_set = {flag: True for flag, is_set in flags_set.items() if is_set}
            is_block, kind, stored = entries.get(name, (False, "", ""))
            nested = NESTED.search(code)
            if nested:
                struct, holder, unordered = nested.groups()
                mode = "set" if kind == "set" or unordered == "true" else "list"
                child = self._block(self.classes[f"{struct}OutputReference"], self.functions.get(_lower(struct), {}))
                if is_block and flags_set.keys() - {"computed"}:
                    single = kind == "struct" and name == "timeouts"
                    limits = {"max_items": 1} if holder == "OutputReference" and not single else {}
                    limits |= {"min_items": 1} if "required" in flags_set else {}
                    blocks[name] = {"nesting_mode": "single" if single else mode, "block": child, **limits}
                else:
                    attributes[name] = {"type": [mode, _object(child)], **flags_set}
            else:
                sensitive = {"sensitive": True} if SENSITIVE.fullmatch(name) else {}
                attributes[name] = {"type": _type(code, kind, stored), **flags_set, **sensitive}
        return _filled(attributes, blocks)

    def _configured(self, entries: dict) -> dict:
        attributes, blocks = {}, {}
        for name, (is_block, kind, stored) in entries.items():
            if is_block:
                child = self._configured(self.functions[_lower(stored.removesuffix("List"))])
                blocks[name] = {"nesting_mode": "list", "max_items": 1, "block": child}
            elif name != "alias":  # Terraform's own
                attributes[name] = {"type": _stored_type(kind, stored), "optional": True}
        return _filled(attributes, blocks)


def _hcl_entries(body: str) -> dict:
    return {name: (is_block == "true", kind, stored) for name, is_block, kind, stored in HCL_ENTRY.findall(body)}


def _type(code: str, kind: str, stored: str):
    mapped, getter = MAP_OF.search(code), GETTER.search(code)
    if mapped:
        return ["map", PRIMITIVES.get(mapped[1] or mapped[2], "string")]
    if getter and getter[1] in PRIMITIVES:
        return PRIMITIVES[getter[1]]
    if getter:
        return [
            "set" if kind == "set" or "Fn.tolist" in code else "list",
            "number" if "Number" in getter[1] else "string",
        ]
    return _stored_type(kind, stored)


def _stored_type(kind: str, stored: str):
    if stored.endswith("List"):
        return ["set" if kind == "set" else "list", STORED.get(stored.removesuffix("List"), "string")]
    if stored.endswith("Map"):
        return ["map", STORED.get(stored.removesuffix("Map"), "string")]
    return STORED[stored]


def _object(block: dict):
    fields = {name: attribute["type"] for name, attribute in block["attributes"].items()}
    fields |= {name: ["list", _object(nested["block"])] for name, nested in block.get("block_types", {}).items()}
    return ["object", fields]


def _filled(attributes: dict, blocks: dict) -> dict:
    return {"attributes": attributes, **({"block_types": blocks} if blocks else {})}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def used(infra: Path = INFRA) -> dict[str, set[str]]:
    """Return the types of resources and data sources that the Terraform files use."""
    text = "\n".join(file.read_text() for file in infra.rglob("*.tf"))
    return {kind: set(re.findall(rf'^{kind} "(azurerm_\w+)"', text, re.M)) for kind in ("resource", "data")}


def schema_of(wheel: Path) -> str:
    """Return the schema in the format of `terraform providers schema -json`, one type per line."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        archive = tarfile.open(fileobj=io.BytesIO(outer.read(inner)))
    folders = {"provider": ("provider", "")}
    folders |= {name.removeprefix("azurerm_").replace("_", "-"): ("resource", name) for name in used()["resource"]}
    folders |= {f"data-{name.replace('_', '-')}": ("data", name) for name in used()["data"]}
    schemas = {"provider": {}, "resource": {}, "data": {}}
    for member in archive:
        folder = re.fullmatch(r"package/lib/([\w-]+)/index\.js", member.name)
        if folder and folder[1] in folders:
            kind, name = folders.pop(folder[1])
            schemas[kind][name] = Source(archive.extractfile(member).read().decode()).schema()
    if folders:
        raise SystemExit(f"{wheel.name} does not know {', '.join(sorted(name for _, name in folders.values()))}.")
    lines = {
        kind: ",\n".join(f"{json.dumps(n)}: {json.dumps(s)}" for n, s in sorted(by_name.items()))
        for kind, by_name in schemas.items()
    }
    return (
        f'{{"format_version": "1.0", "provider_schemas": {{"{ADDRESS}": {{\n'
        f'"provider": {json.dumps(schemas["provider"][""])},\n'
        f'"resource_schemas": {{\n{lines["resource"]}}},\n"data_source_schemas": {{\n{lines["data"]}}}}}}}}}\n'
    )


if __name__ == "__main__":
    SCHEMA.write_text(schema_of(Path(sys.argv[1])))
