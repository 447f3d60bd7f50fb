"""A stand-in for the azurerm provider that knows its schema and nothing else.

It speaks the part of Terraform's plugin protocol 6 that `validate` and `test` with `mock_provider` need: the schema,
and the reply "valid" for every value. Terraform itself then checks names, types, required arguments, blocks and
references. Plan, apply and read without mocks are refused: nothing here can reach Azure.

Terraform finds it by TF_REATTACH_PROVIDERS, so one process serves all commands of a test session, with no plugin
folder, no lock file and no certificates.
"""

import json
import os
import tempfile
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc

ADDRESS = "registry.terraform.io/hashicorp/azurerm"
SCHEMA = Path(__file__).with_name("azurerm-5.10.0.json")
NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
EMPTY_REPLIES = {
    "ValidateProviderConfig",
    "ValidateResourceConfig",
    "ValidateDataResourceConfig",
    "GetFunctions",
    "StopProvider",
}


@contextmanager
def serving(schema: Path = SCHEMA):
    """Serve a schema inside a ``with`` block; yield the environment variables that make Terraform use it."""
    with tempfile.TemporaryDirectory(prefix="azurerm-") as folder:  # short: a socket's path has at most 107 characters
        server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.max_send_message_length", -1)])
        server.add_generic_rpc_handlers([Provider(json.loads(schema.read_text()))])
        socket = f"{folder}/socket"
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        plugin = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,  # Terraform leaves the process alone when it is done
            "Addr": {"Network": "unix", "String": socket},
        }
        try:
            yield {"TF_REATTACH_PROVIDERS": json.dumps({ADDRESS: plugin})}
        finally:
            server.stop(grace=None).wait()


class Provider(grpc.GenericRpcHandler):
    """The gRPC service ``tfplugin6.Provider``; its replies are encoded by the functions below."""

    def __init__(self, document: dict):
        self.schema = _schema_response(document["provider_schemas"][ADDRESS])

    def service(self, call):
        """Return the handler of a gRPC call."""
        service, method = call.method.rsplit("/", 1)
        if service != "/tfplugin6.Provider":
            return None  # go-plugin's streams: a handler would hold a thread for each of Terraform's many connections
        if method == "GetProviderSchema":
            reply = self._schema
        elif method in EMPTY_REPLIES:
            reply = self._empty
        else:
            reply = self._refuse
        return grpc.unary_unary_rpc_method_handler(reply)

    def _schema(self, request, context):
        return self.schema

    def _empty(self, request, context):
        return b""

    def _refuse(self, request, context):
        # Terraform does not show the message of an UNIMPLEMENTED error.
        context.abort(
            grpc.StatusCode.FAILED_PRECONDITION, "the stand-in for azurerm knows schemas only: mock the provider"
        )


# The wire format of protocol buffers, for the messages of tfplugin6.proto that carry a schema. A field is its number
# and wire type, then a varint (type 0) or a length and that many bytes (type 2).


def _schema_response(provider: dict) -> bytes:
    """Encode a GetProviderSchema.Response; its fields are provider 1, resources 2, data sources 3, capabilities 6."""
    return b"".join(
        [
            _bytes(1, _schema(provider["provider"])),
            *(_bytes(2, _entry(name, schema)) for name, schema in provider["resource_schemas"].items()),
            *(_bytes(3, _entry(name, schema)) for name, schema in provider["data_source_schemas"].items()),
            _bytes(6, _number(2, True)),  # get_provider_schema_optional
        ]
    )


def _entry(name: str, schema: dict) -> bytes:
    return _bytes(1, name) + _bytes(2, _schema(schema))


def _schema(schema: dict) -> bytes:
    return _number(1, schema["version"]) + _bytes(2, _block(schema["block"]))


def _block(block: dict) -> bytes:
    attributes = (_bytes(2, _attribute(name, attribute)) for name, attribute in block.get("attributes", {}).items())
    blocks = (_bytes(3, _nested(name, nested)) for name, nested in block.get("block_types", {}).items())
    return b"".join([*attributes, *blocks])


def _attribute(name: str, attribute: dict) -> bytes:
    flags = {4: "required", 5: "optional", 6: "computed", 7: "sensitive", 9: "deprecated"}
    encoded_flags = b"".join(_number(field, True) for field, flag in flags.items() if attribute.get(flag))
    return _bytes(1, name) + _bytes(2, json.dumps(attribute["type"])) + encoded_flags


def _nested(name: str, nested: dict) -> bytes:
    limits = _number(4, nested.get("min_items", 0)) + _number(5, nested.get("max_items", 0))
    return _bytes(1, name) + _bytes(2, _block(nested["block"])) + _number(3, NESTING[nested["nesting_mode"]]) + limits


def _bytes(field: int, value: str | bytes) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
