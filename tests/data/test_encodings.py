"""Tables that are not in UTF-8: read in the encoding that makes sense of them, or refused by their line."""

import pytest

from lib.data import tables
from lib.data.encodings import NAMES
from lib.errors import DataError

LATIN = {
    "German": "name,ort\nMüller,Köln\nJäger,Düsseldorf\n",
    "one sign in the header": "day,temperature (°C)\n1,20\n2,21\n",
    "signs alone": "text,y\n• one,1\n… and more,0\n© 2020,1\n",
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


def written(path, text, encoding):
    path.write_bytes(text.encode(encoding))
    return path


def cells(text):
    return [line.split(",") for line in text.splitlines()]


@pytest.mark.parametrize("kind", LATIN)
def test_latin_stays_latin(tmp_path, kind):
    frame = tables.read(written(tmp_path / "table.csv", LATIN[kind], "cp1252"))
    assert [list(frame), *frame.astype(str).to_numpy().tolist()] == cells(LATIN[kind])
    assert NAMES["cp1252"] in frame.attrs["notes"][0]


@pytest.mark.parametrize("encoding", OTHERS)
def test_what_latin_makes_nonsense_of_is_read_as_it_is_meant(tmp_path, encoding):
    frame = tables.read(written(tmp_path / "table.csv", OTHERS[encoding], encoding))
    assert [list(frame), *frame.astype(str).to_numpy().tolist()] == cells(OTHERS[encoding])
    assert NAMES[encoding] in frame.attrs["notes"][0]


def test_what_may_be_several_is_refused_by_its_line(tmp_path):
    table = written(tmp_path / "table.csv", "id,y\n1,0\nΠΑΤΡΑ,1\nΑΘΗΝΑ,0\nΘΕΣΣΑΛΟΝΙΚΗ,1\n", "cp1253")
    with pytest.raises(DataError, match=r"table.csv is not UTF-8 but may be .*, first in line 3. Save it as UTF-8"):
        tables.read(table)


@pytest.mark.parametrize("encoding", ["gb18030", "cp932", "cp1251"])
def test_lines_in_utf_8_among_others_are_refused(tmp_path, encoding):
    header, *rows = OTHERS[encoding].splitlines(keepends=True)
    table = tmp_path / "table.csv"
    table.write_bytes((header + "".join(rows)).encode(encoding) + "".join(rows).encode())
    with pytest.raises(DataError, match="table.csv is in two encodings"):
        tables.read(table)


def test_a_byte_that_is_no_sign_is_refused_by_its_line(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes("name,y\nMüller,1\nJäger,0\nKöhler,1\n".encode("cp1252") + b"\x81,1\n")
    with pytest.raises(DataError, match="neither UTF-8 nor Windows' Latin-1: line 5 has the byte 0x81"):
        tables.read(table)
