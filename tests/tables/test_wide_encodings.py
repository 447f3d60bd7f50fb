"""Text in encodings such as UTF-16 is read exactly like the same text in UTF-8."""

import pytest

from lib.tables import frames

ROWS = [f"{row % 90}.5,r\u00e9d,{row % 2}" for row in range(400)]
TEXTS = {
    "plain": "size,colour,y\n" + "\n".join(ROWS) + "\n",
    "windows": "size,colour,y\r\n" + "\r\n".join(ROWS) + "\r\n",
    "long": "size,colour,y\n" + "\n".join(ROWS * 200) + "\n",
    "quoted line breaks": "size,colour,y\n" + "\n".join(ROWS) + '\n1.5,"a\nb",1\n',
    "unbalanced quotes": "size,colour,y\n" + "\n".join(ROWS) + '\n1.5,5" pipe,1\n',
    "leading zeros": "size,code,y\n" + "\n".join(f"1.5,{row:05d},1" for row in range(400)) + "\n",
    "semicolons": "size;colour;y\n" + "\n".join(row.replace(",", ";") for row in ROWS) + "\n",
    "supplementary characters": "size,colour,y\n" + "\n".join(ROWS) + "\n1.5,\U0001f600,1\n",
    "short row": "size,colour,y\n" + "\n".join(ROWS) + "\n1.5,red\n",
}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be-bom"])
@pytest.mark.parametrize("kind", TEXTS)
def test_wide_encodings_are_read_like_utf8(tmp_path, kind, encoding):
    text = TEXTS[kind]
    (tmp_path / "utf8.csv").write_bytes(text.encode())
    wide = ("\ufeff" + text).encode("utf-16-be") if encoding.endswith("bom") else text.encode(encoding)
    (tmp_path / "wide.csv").write_bytes(wide)
    expected, frame = frames.read(tmp_path / "utf8.csv"), frames.read(tmp_path / "wide.csv")
    assert frame.equals(expected)
    columns = frame.attrs[frames.SCHEMA]["columns"]
    assert columns == expected.attrs[frames.SCHEMA]["columns"]


def test_a_second_table_is_found_in_utf16(tmp_path):
    text = "size,colour,y\n" + "\n".join(ROWS) + "\n\nweight,shape,z\n1,round,2\n"
    messages = []
    for encoding in ("utf-8", "utf-16"):
        (tmp_path / "a.csv").write_bytes(text.encode(encoding))
        with pytest.raises(Exception, match="second table") as raised:
            frames.read(tmp_path / "a.csv")
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_a_nul_character_in_utf16_is_refused_with_its_line(tmp_path):
    (tmp_path / "a.csv").write_bytes("a,b\n1,2\n3,\0\n".encode("utf-16"))
    with pytest.raises(Exception, match="line 3"):
        frames.read(tmp_path / "a.csv")
