"""Invalid request bodies, each with the status that the endpoint must answer.

They are requests for the columns of `served_models.ROW`: age (integer, required), fare (number), city (text), member
(boolean, required), when (date, required), note (text).
"""

import json

from tests.served_models import ROW

NAMES = list(ROW)
VALUES = list(ROW.values())

NOT_JSON = {
    "nothing": b"",
    "spaces": b"   \n",
    "a word": b"hello",
    "cut off": b'{"data": [{"age": 4',
    "two values": b'{"data": []} {"data": []}',
    "comma at the end": b'{"data": [],}',
    "comma at the end of a list": b'{"data": [1,]}',
    "single quotes": b"{'data': []}",
    "no quotes": b"{data: []}",
    "a comment": b'{"data": [] /* none */}',
    "Python": b'{"data": [{"age": None}]}',
    "True": b'{"data": [{"member": True}]}',
    "undefined": b'{"data": undefined}',
    "hexadecimal": b'{"data": [{"age": 0x29}]}',
    "a leading zero": b'{"data": [{"age": 041}]}',
    "a plus": b'{"data": [{"age": +41}]}',
    "no digit before the point": b'{"data": [{"fare": .5}]}',
    "no digit after the point": b'{"data": [{"fare": 5.}]}',
    "underscores": b'{"data": [{"age": 4_1}]}',
    "a tab in text": b'{"data": [{"city": "Os\tlo"}]}',
    "a line end in text": b'{"data": [{"city": "Os\nlo"}]}',
    "a zero byte in text": b'{"data": [{"city": "Os\x00lo"}]}',
    "a bad escape": b'{"data": [{"city": "Os\\xlo"}]}',
    "a bad unicode escape": b'{"data": [{"city": "Os\\u12g4lo"}]}',
    "open text": b'{"data": [{"city": "Oslo',
    "CSV": b"age,fare\n41,12.5\n",
    "XML": b"<row><age>41</age></row>",
    "a form": b"age=41&fare=12.5",
    "multipart": b'--x\r\nContent-Disposition: form-data; name="age"\r\n\r\n41\r\n--x--',
    "YAML": b"data:\n- age: 41\n",
    "JSON lines": b'{"age": 41}\n{"age": 42}\n',
    "a number of 5,000 digits": b'{"data": [{"age": ' + b"9" * 5000 + b"}]}",
    "closed twice": b'{"data": []}}',
    "closed wrongly": b'{"data": [}]',
    "only a bracket": b"[",
    "a hundred thousand brackets": b"[" * 100_000,
    "a hundred thousand objects": b'{"a":' * 100_000,
    "deep and whole": b"[" * 50_000 + b"]" * 50_000,
    "deep inside data": b'{"data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "NaN": b'{"data": [{"fare": NaN}]}',
    "Infinity": b'{"data": [{"fare": Infinity}]}',
    "-Infinity": b'{"data": [{"fare": -Infinity}]}',
    "NaN alone": b"NaN",
    "nan": b'{"data": [{"fare": nan}]}',
}
NOT_UTF8 = {
    "UTF-16": json.dumps({"data": [ROW]}).encode("utf-16"),
    "UTF-16 without a mark": json.dumps({"data": [ROW]}).encode("utf-16-le"),
    "UTF-32": json.dumps({"data": [ROW]}).encode("utf-32"),
    "UTF-8 with a byte order mark": b"\xef\xbb\xbf" + json.dumps({"data": [ROW]}).encode(),
    "Latin-1": '{"data": [{"city": "Tromsø"}]}'.encode("latin-1"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
    "Parquet": b"PAR1\x15\x04\x15\xff",
    "a PNG": b"\x89PNG\r\n\x1a\n",
    "0xff": b"\xff" * 100,
    "zero bytes": b"\x00" * 100,
    "an overlong slash": b'{"data": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"data": "\xed\xa0\x80"}',
    "cut inside a character": '{"data": "ø"}'.encode()[:-3],
}
WRONG_SHAPE = {
    "null": None,
    "true": True,
    "a number": 41,
    "a text": "data",
    "a list": [],
    "a list of records": [ROW],
    "a list of lists": [VALUES],
    "an empty object": {},
    "a bare record": ROW,
    "an unknown key": {"rows": [ROW]},
    "instances, as elsewhere": {"instances": [ROW]},
    "inputs, as elsewhere": {"inputs": {"age": [41]}},
    "a wrong case": {"Data": [ROW]},
    "two keys": {"data": [ROW], "input_data": [ROW]},
    "parameters as well": {"data": [ROW], "params": {"threshold": 0.5}},
    "an empty key": {"": [ROW]},
    "data null": {"data": None},
    "data a number": {"data": 41},
    "data a text": {"data": json.dumps([ROW])},
    "data true": {"data": True},
    "data a record": {"data": ROW},
    "input_data null": {"input_data": None},
    "input_data a text": {"input_data": json.dumps({"columns": NAMES, "data": [VALUES]})},
    "input_data empty": {"input_data": {}},
    "no columns": {"input_data": {"data": [VALUES]}},
    "no data": {"input_data": {"columns": NAMES}},
    "columns null": {"input_data": {"columns": None, "data": [VALUES]}},
    "columns a text": {"input_data": {"columns": "age", "data": [VALUES]}},
    "columns an object": {"input_data": {"columns": {"age": 0}, "data": [VALUES]}},
    "columns a number": {"input_data": {"columns": 6, "data": [VALUES]}},
    "split data null": {"input_data": {"columns": NAMES, "data": None}},
    "split data an object": {"input_data": {"columns": NAMES, "data": {"0": VALUES}}},
    "split data a text": {"input_data": {"columns": NAMES, "data": "41"}},
    "split with something more": {"input_data": {"columns": NAMES, "data": [VALUES], "dtypes": []}},
    "split within split": {"input_data": {"input_data": {"columns": NAMES, "data": [VALUES]}}},
    "dataframe_split a list": {"dataframe_split": [ROW]},
    "dataframe_split null": {"dataframe_split": None},
    "dataframe_split by column": {"dataframe_split": {"age": [41]}},
    "dataframe_records an object": {"dataframe_records": {"columns": NAMES, "data": [VALUES]}},
    "dataframe_records null": {"dataframe_records": None},
    "by column": {"data": {"age": [41], "fare": [12.5]}},
}
WRONG_TABLE = {
    "no records": {"data": []},
    "no records in input_data": {"input_data": []},
    "no dataframe_records": {"dataframe_records": []},
    "no rows": {"input_data": {"columns": NAMES, "data": []}},
    "no rows, no columns": {"dataframe_split": {"columns": [], "data": []}},
    "an empty record": {"data": [{}]},
    "a null record": {"data": [None]},
    "a record that is a number": {"data": [41]},
    "a record that is a text": {"data": ["age"]},
    "a record that is a list": {"data": [VALUES]},
    "records and a null": {"data": [ROW, None, ROW]},
    "records in records": {"data": [[ROW]]},
    "an empty row": {"input_data": {"columns": NAMES, "data": [[]]}},
    "a null row": {"input_data": {"columns": NAMES, "data": [None]}},
    "a row that is a record": {"input_data": {"columns": NAMES, "data": [ROW]}},
    "a row that is a number": {"input_data": {"columns": NAMES, "data": VALUES}},
    "a short row": {"input_data": {"columns": NAMES, "data": [VALUES[:-1]]}},
    "a long row": {"input_data": {"columns": NAMES, "data": [VALUES + [1]]}},
    "a short row among others": {"input_data": {"columns": NAMES, "data": [VALUES, VALUES[:2], VALUES]}},
    "values and no columns": {"input_data": {"columns": [], "data": [VALUES]}},
    "a column twice": {"input_data": {"columns": NAMES + ["age"], "data": [VALUES + [41]]}},
    "every column twice": {"input_data": {"columns": NAMES * 2, "data": [VALUES * 2]}},
    "an unknown column": {"input_data": {"columns": NAMES + ["height"], "data": [VALUES + [1.8]]}},
    "only unknown columns": {"input_data": {"columns": ["a", "b"], "data": [[1, 2]]}},
    "numbered columns": {"input_data": {"columns": list(range(6)), "data": [VALUES]}},
    "a null column": {"input_data": {"columns": NAMES[:-1] + [None], "data": [VALUES]}},
    "a list as a column": {"input_data": {"columns": NAMES[:-1] + [["note"]], "data": [VALUES]}},
    "an object as a column": {"input_data": {"columns": NAMES[:-1] + [{}], "data": [VALUES]}},
    "a column in capitals": {"input_data": {"columns": ["AGE"] + NAMES[1:], "data": [VALUES]}},
    "a column with a space": {"input_data": {"columns": ["age "] + NAMES[1:], "data": [VALUES]}},
    "half a surrogate as a column": {"input_data": {"columns": ["\ud800"] + NAMES[1:], "data": [VALUES]}},
    "a very long column": {"input_data": {"columns": ["x" * 10_000] + NAMES[1:], "data": [VALUES]}},
    "a thousand columns": {"input_data": {"columns": [f"c{at}" for at in range(1000)], "data": [[0] * 1000]}},
    "a short index": {"input_data": {"columns": NAMES, "index": [], "data": [VALUES]}},
    "a long index": {"input_data": {"columns": NAMES, "index": [0, 1], "data": [VALUES]}},
    "an index that is a number": {"input_data": {"columns": NAMES, "index": 0, "data": [VALUES]}},
    "an unknown key in a record": {"data": [{**ROW, "height": 1.8}]},
    "the target in a record": {"data": [{**ROW, "late": True}]},
    "a thousand unknown keys": {"data": [{**ROW, **{f"c{at}": 0 for at in range(1000)}}]},
    "half a surrogate as a key": {"data": [{**ROW, "\udfff": 1}]},
    "__class__": {"data": [{**ROW, "__class__": "os.system"}]},
    "the second record lacks one": {"data": [ROW, {key: ROW[key] for key in NAMES[1:]}]},
    **{f"no {name}": {"data": [{k: v for k, v in ROW.items() if k != name}]} for name in ("age", "member", "when")},
    **{
        f"no column {name}": {
            "input_data": {
                "columns": [n for n in NAMES if n != name],
                "data": [[v for n, v in ROW.items() if n != name]],
            }
        }
        for name in ("age", "member", "when")
    },
}
ODD = {"a list": [1], "an empty list": [], "an object": {"a": 1}, "an empty object": {}}
HALF = {"half a surrogate": "\ud83d", "the other half": "Os\udc00lo"}
WRONG_VALUES = {
    "age": {
        **ODD,
        "null": None,
        "text": "forty",
        "digits as text": "41",
        "empty text": "",
        "true": True,
        "false": False,
        "a part": 41.5,
        "2**63": 2**63,
        "-2**63 - 1": -(2**63) - 1,
        "a googol": 10**100,
        "4,000 digits": int("7" * 4000),
        "1e300": 1e300,
    },
    "fare": {**ODD, "text": "twelve", "digits as text": "12.5", "NaN as text": "NaN", "empty text": "", "true": True,
             "false": False, "1e300": 1e300, "-1e308": -1e308, "400 digits": int("7" * 400)},
    "city": {**ODD, **HALF, "a number": 5, "a float": 5.5, "zero": 0, "true": True, "false": False},
    "member": {**ODD, "null": None, "text": "true", "yes": "yes", "empty text": "", "one": 1, "zero": 0, "1.0": 1.0},
    "when": {
        **ODD,
        **HALF,
        "null": None,
        "a number": 1709287200,
        "true": True,
        "empty text": "",
        "a word": "tomorrow",
        "now": "now",
        "NaT": "NaT",
        "a time alone": "10:00",
        "a year alone": "2024",
        "a year and month": "2024-03",
        "day first": "01.03.2024",
        "slashes": "03/01/2024",
        "month 13": "2024-13-01",
        "30 February": "2024-02-30",
        "hour 25": "2024-03-01T25:00",
        "minute 60": "2024-03-01T10:60",
        "the year 0": "0000-01-01",
        "the year 10000": "10000-01-01",
        "spaces around": " 2024-03-01 ",
        "a zone of 99 hours": "2024-03-01T10:00+99:00",
        "Arabic digits": "٢٠٢٤-٠٣-٠١",
        "something behind": "2024-03-01; drop",
    },
    "note": {**ODD, **HALF, "a number": 5, "true": True, "a very large number": 10**300},
}  # fmt: skip
DUPLICATE_KEYS = {
    "the same key twice": b'{"data": [], "data": []}',
    "the same key twice in a record": b'{"data": [{"age": 41, "age": 42}]}',
    "columns twice": b'{"input_data": {"columns": ["age"], "columns": ["fare"], "data": [[1]]}}',
    "the same key written differently": b'{"data": [{"age": 41, "\\u0061ge": 42}]}',
}
TOO_LARGE = {
    "too many records": json.dumps({"data": [{}] * 10_001}).encode(),
    "too many rows": json.dumps({"input_data": {"columns": ["age"], "data": [[1]] * 10_001}}).encode(),
    "too many bytes": b" " * (8 * 2**20 + 1),
    "a text of nine megabytes": json.dumps({"data": [{**ROW, "note": "x" * 9 * 2**20}]}).encode(),
}


def bodies():
    """Return all bodies and their expected status, by a description of the fault."""
    bodies_by_fault = {f"not JSON: {name}": (body, 400) for name, body in NOT_JSON.items()}
    bodies_by_fault |= {f"not UTF-8: {name}": (body, 400) for name, body in NOT_UTF8.items()}
    bodies_by_fault |= {f"duplicate key: {name}": (body, 400) for name, body in DUPLICATE_KEYS.items()}
    bodies_by_fault |= {f"wrong shape: {name}": (json.dumps(body).encode(), 400) for name, body in WRONG_SHAPE.items()}
    bodies_by_fault |= {f"wrong table: {name}": (json.dumps(body).encode(), 422) for name, body in WRONG_TABLE.items()}
    bodies_by_fault |= {
        f"wrong {column}: {name}": (json.dumps({"data": [{**ROW, column: value}]}).encode(), 422)
        for column, values in WRONG_VALUES.items()
        for name, value in values.items()
    }
    # A number too large for a float. It is inserted as text, because json.dumps would write Infinity.
    bodies_by_fault["wrong fare: 1e999"] = (json.dumps({"data": [ROW]}).replace("12.5", "1e999").encode(), 422)
    return bodies_by_fault | {f"too large: {name}": (body, 413) for name, body in TOO_LARGE.items()}
