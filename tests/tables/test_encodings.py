"""Text files that are not UTF-8: the encoding is detected, or the file is refused with a line number."""

import gzip

import pytest

from lib.errors import DataError
from lib.schema.table_schema import TableSchema
from lib.tables import frames, schema_reader
from lib.tables.detect.encodings import DISPLAY_NAMES

LATIN = {
    "German": "name,ort\nMüller,Köln\nJäger,Düsseldorf\n",
    "one character in the header": "day,temperature (°C)\n1,20\n2,21\n",
    "punctuation only": "text,y\n• one,1\n… and more,0\n© 2020,1\n",
    "units": "what,unit\nNO2,µg/m³\narea,m²\nhalf,½\n",
    "prices": "item,price\nbook,£12\npen,3 €\n",
    "Danish": "navn,by\nSøren,København\nÆgir,Århus\n",
    "in capitals": "NOM,VILLE\nDUPRÉ,ORLÉANS\nÉLÉONORE,NÎMES\n",
}
OTHERS = {
    "cp1251": "отзыв,y\nОчень хорошая гостиница,1\nНомер слишком маленький,0\n",
    "koi8_r": "имя,город\nИван,Москва\nОльга,Новосибирск\nСергей,Казань\n",
    "cp1253": "όνομα,πόλη\nΓιώργος,Αθήνα\nΜαρία,Θεσσαλονίκη\n",
    "cp932": "商品,説明\nボールペン,なめらかに書ける黒いペンです\nノート,罫線入りで使いやすいノート\n",
    "gb18030": "评论,y\n这个酒店很好，服务周到,1\n房间太小，不推荐,0\n",
    "big5": "評論,y\n這個飯店很好，服務周到,1\n房間太小，不推薦,0\n",
    "cp949": "평가,y\n호텔이 정말 좋아요,1\n방이 너무 작아요,0\n",
}


def write_text(path, text, encoding):
    path.write_bytes(text.encode(encoding))
    return path


def split_cells(text):
    return [line.split(",") for line in text.splitlines()]


@pytest.mark.parametrize("kind", LATIN)
def test_windows_latin_is_detected(tmp_path, kind):
    frame = frames.read(write_text(tmp_path / "table.csv", LATIN[kind], "cp1252"))
    assert [list(frame), *frame.astype(str).to_numpy().tolist()] == split_cells(LATIN[kind])
    assert DISPLAY_NAMES["cp1252"] in frame.attrs["notes"][0]


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_encodings_are_detected(tmp_path, encoding):
    frame = frames.read(write_text(tmp_path / "table.csv", OTHERS[encoding], encoding))
    assert [list(frame), *frame.astype(str).to_numpy().tolist()] == split_cells(OTHERS[encoding])
    assert DISPLAY_NAMES[encoding] in frame.attrs["notes"][0]


def test_ambiguous_encodings_are_refused(tmp_path):
    table = write_text(tmp_path / "table.csv", "id,y\n1,0\nΠΑΤΡΑ,1\nΑΘΗΝΑ,0\nΘΕΣΣΑΛΟΝΙΚΗ,1\n", "cp1253")
    with pytest.raises(
        DataError, match=r"table.csv is not UTF-8: line 3 has the first invalid byte. It may be .* Save it as UTF-8"
    ):
        frames.read(table)


@pytest.mark.parametrize("encoding", ["gb18030", "cp932", "cp1251"])
def test_files_that_mix_encodings_are_refused(tmp_path, encoding):
    header, *rows = OTHERS[encoding].splitlines(keepends=True)
    table = tmp_path / "table.csv"
    table.write_bytes((header + "".join(rows)).encode(encoding) + "".join(rows).encode())
    with pytest.raises(DataError, match="table.csv mixes two encodings"):
        frames.read(table)


def test_an_undefined_byte_is_refused_with_its_line(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes("name,y\nMüller,1\nJäger,0\nKöhler,1\n".encode("cp1252") + b"\x81,1\n")
    with pytest.raises(DataError, match="neither UTF-8 nor Windows-1252: line 5 contains the byte 0x81"):
        frames.read(table)


BY_ENCODING = {
    "cp1250": "imię;miasto;v\nŁukasz;Łódź;1,5\nZdeněk;Plzeň;2,5\n",
    "cp1254": "ad;şehir;v\nÇağrı;İstanbul;1,5\n",
    "cp1255": "שם;v\nשלום;1,5\n",
    "cp1256": "اسم;v\nمحمد;1,5\n",
    "iso-8859-2": "imię;v\nŁódź;1,5\n",
    "mac_roman": "nom;v\nÉlodie œuvre;1,5\n",
    "utf-16-le": "nom;v\nŁódź;1,5\n",
    "utf-16-be": "nom;v\nŁódź;1,5\n",
    "cp500": "nom;v\nÉlodie;1,5\n",
    "iso2022_jp": "名前;v\n日本語;1,5\n",
    "utf-8": "nom;v\nŁódź;1,5\n",
}


@pytest.mark.parametrize("encoding", BY_ENCODING)
def test_the_encoding_can_be_set(tmp_path, encoding):
    file = write_text(tmp_path / "table.csv", BY_ENCODING[encoding], encoding)
    compressed = tmp_path / "table.csv.gz"
    compressed.write_bytes(gzip.compress(file.read_bytes()))
    expected = [line.replace(",", ".").split(";") for line in BY_ENCODING[encoding].splitlines()]
    for path in (file, [file, file], compressed):
        frame = frames.read(path, encoding=encoding)
        rows = expected[1:] * (2 if isinstance(path, list) else 1)
        assert [list(frame), *frame.astype(str).to_numpy().tolist()] == [expected[0], *rows]
    schema = TableSchema.from_dict(frames.read(file, encoding=encoding).attrs[frames.SCHEMA])
    (batch,) = schema_reader.read(schema, [file], 100, encoding=encoding)
    assert batch.rows.column(0).to_pylist() == [row[0] for row in expected[1:]]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"\xef\xbb\xbfa,b\n1,2\n", "cp1250", "starts with the byte order mark of UTF-8, but `encoding` is cp1250"),
        ("a,b\nü,2\n".encode("utf-16"), "cp1250", "starts with the byte order mark of UTF-16"),
        (
            b"a,b\nx,1\ny\x81,2\n",
            "cp1252",
            "t.csv is not in cp1252: line 3 contains the byte 0x81, which is not valid",
        ),
        (b"a,b\nx,1\ny\x81,2\n", "utf-8", "t.csv is not in utf-8: line 3 contains the byte 0x81"),
        (
            "a,b\nx,1\n".encode("utf-16-le"),
            "",
            "every character in line 1 contains a NUL byte, .* utf-16-le without .* Set `encoding` to utf-16-le",
        ),
        ("a,b\nx,1\n".encode("utf-16-be"), "", "Set `encoding` to utf-16-be"),
        ("a,b\nПетя,1\n".encode("utf-16-le") * 3, "", "Set `encoding` to utf-16-le"),
    ],
)
def test_a_wrong_encoding_is_refused(tmp_path, content, encoding, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        frames.read(tmp_path / "t.csv", encoding=encoding)


def test_a_guessed_encoding_is_reported_with_an_example(tmp_path):
    file = write_text(tmp_path / "t.csv", BY_ENCODING["cp1250"], "cp1250")
    assert "line 1 contains 'imiê'. If that looks wrong, set `encoding`." in frames.read(file).attrs["notes"][-1]


def test_valid_utf8_under_another_encoding_is_reported(tmp_path):
    frame = frames.read(write_text(tmp_path / "t.csv", "a,b\nürgen,1\n", "utf-8"), encoding="cp1252")
    assert "The whole file is valid UTF-8, but `encoding` is cp1252" in frame.attrs["notes"][-1]


def test_utf_32_is_not_mistaken_for_utf_16(tmp_path):
    assert frames.read(write_text(tmp_path / "t.csv", "a,b\nü,1\n", "utf-32"))["a"].tolist() == ["ü"]
