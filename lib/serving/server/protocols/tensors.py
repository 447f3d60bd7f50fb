"""The tensors of the Open Inference Protocol: their types, and their data in JSON or, by an extension, in binary.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and, for binary
data, https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.scoring.columns import Column
from lib.scoring.request_error import RequestError, describe_value
from lib.serving.server.protocols.exchange import check_size

BINARY_EXTENSION = "binary_tensor_data"
_NUMPY_TYPES = {
    "BOOL": "?",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
DATATYPES = (*_NUMPY_TYPES, "BYTES")
_MAX_DIMENSIONS, _MAX_SIZE = 8, 2**31
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Tensor:
    """A tensor of a request.

    Attributes
    ----------
    name : str
    shape : list of int
    values : list
        The elements in row-major order.
    """

    name: str
    shape: list[int]
    values: list


def find_datatype(column: Column) -> str:
    """Return the type of the tensor for a column of a model."""
    schema = column.kind.json_schema
    if schema["type"] == "integer":
        return "INT32" if schema.get("format") == "int32" else "INT64"
    return {"number": "FP64", "boolean": "BOOL", "string": "BYTES"}[schema["type"]]


def read_tensor(content: Any, binary: memoryview, max_rows: int) -> tuple[Tensor, int]:
    """Return a tensor of a request.

    Parameters
    ----------
    content : object
        An entry of the request's ``inputs``.
    binary : memoryview
        The binary data that no earlier tensor has used.
    max_rows : int
        The maximum first size of the shape.

    Returns
    -------
    tensor : Tensor
    used_bytes : int
        The number of bytes of its binary data.

    Raises
    ------
    RequestError
        With status 400, if the entry does not describe a tensor, and 413, if it has too many rows.
    """
    if not isinstance(content, dict):
        raise _wrong(f"An input is {describe_value(content)}, not an object.")
    name, datatype = content.get("name"), content.get("datatype")
    if not isinstance(name, str):
        raise _wrong(f'The name of an input is {describe_value(name)}; expected "name" with a text.')
    label = f"The input {name[:100]!r}"
    shape = _read_shape(label, content.get("shape"))
    check_size(shape[0], 0, 0, max_rows)
    if datatype not in DATATYPES:
        raise _wrong(f"{label} has the datatype {describe_value(datatype)}; expected one of {', '.join(DATATYPES)}.")
    parameters = content.get("parameters") or {}
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        if type(size) is not int or not 0 <= size <= len(binary):
            raise _wrong(f"{label} has the binary_data_size {describe_value(size)}; {len(binary)} bytes are left.")
        values, used_bytes = _read_binary(label, datatype, binary[:size]), size
    else:
        values, used_bytes = _read_json(label, datatype, content.get("data"), len(shape)), 0
    expected_count = math.prod(shape)
    if len(values) != expected_count:
        raise _wrong(f"{label} has {len(values)} values; its shape {shape} needs {expected_count}.")
    return Tensor(name, shape, values), used_bytes


def _read_shape(label: str, shape: Any) -> list[int]:
    """Return a shape; raise a RequestError if it is not a list of sizes that a request can have."""
    is_list = isinstance(shape, list) and 0 < len(shape) <= _MAX_DIMENSIONS
    if not is_list or not all(type(size) is int and 0 <= size <= _MAX_SIZE for size in shape):
        raise _wrong(f'{label} has no valid "shape"; expected a list of sizes, such as [2] or [2, 1].')
    return list(shape)


def _read_json(label: str, datatype: str, data: Any, dimension_count: int) -> list:
    """Return the elements of a list, which may be flat or nested as the shape says."""
    if not isinstance(data, list):
        raise _wrong(f'{label} has {describe_value(data)} as "data"; expected a list.')
    values = data
    for _ in range(dimension_count - 1):
        if values and all(isinstance(item, list) for item in values):
            values = [element for item in values for element in item]
    accepted: tuple[type, ...] = (int, float)
    if datatype in ("BOOL", "BYTES"):
        accepted = (bool,) if datatype == "BOOL" else (str,)
    for value in values:
        # Null is not part of the protocol, but JSON has no other way to send a missing value.
        if value is not None and (not isinstance(value, accepted) or (type(value) is bool and datatype != "BOOL")):
            raise _wrong(f"{label} contains {describe_value(value)}, which is not of the datatype {datatype}.")
    return values


def _read_binary(label: str, datatype: str, data: memoryview) -> list:
    if datatype == "BYTES":
        return list(_read_texts(label, data))
    numpy_type = np.dtype(_NUMPY_TYPES[datatype])
    if len(data) % numpy_type.itemsize:
        raise _wrong(f"{label} has {len(data)} bytes of binary data, not a multiple of {numpy_type.itemsize}.")
    values = np.frombuffer(data, numpy_type).tolist()
    # In a column of numbers, NaN stands for a missing value.
    return [None if value != value else value for value in values]


def _read_texts(label: str, data: memoryview) -> Iterator[str]:
    position = 0
    while position < len(data):
        start = position + _LENGTH.size
        length = _LENGTH.unpack_from(data, position)[0] if start <= len(data) else len(data)
        position = start + length
        if position > len(data):
            raise _wrong(f"{label} has binary data that ends within a text.")
        try:
            yield bytes(data[start:position]).decode()
        except UnicodeDecodeError:
            raise _wrong(f"{label} has binary data that is not UTF-8.") from None


def make_output(name: str, values: list, shape: list[int], is_binary: bool) -> tuple[dict[str, Any], bytes]:
    """Return a tensor of an answer: its entry in ``outputs``, and its binary data, which is empty for JSON."""
    kinds = {type(value) for value in values}
    datatype = "BYTES"
    if kinds <= {bool}:
        datatype = "BOOL"
    elif kinds <= {int}:
        datatype = "INT64"
    elif kinds <= {int, float}:
        datatype = "FP64"
    else:
        values = [value if isinstance(value, str) else str(value) for value in values]
    entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
    if not is_binary:
        return {**entry, "data": values}, b""
    if datatype == "BYTES":
        encoded = [text.encode() for text in values]
        data = b"".join(_LENGTH.pack(len(text)) + text for text in encoded)
    else:
        data = np.array(values, _NUMPY_TYPES[datatype]).tobytes()
    return {**entry, "parameters": {"binary_data_size": len(data)}}, data


def _wrong(message: str) -> RequestError:
    return RequestError(400, "wrong_tensor", message)
