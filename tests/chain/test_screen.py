"""Texts of terminals, and the merging of a cell's stream outputs."""

import pytest

from lib.chain.cell_streams import CellStreams
from lib.chain.screen import Screen


def shown(*texts):
    screen = Screen()
    for text in texts:
        screen.write(text)
    return screen.text


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a", "b\n", "c"], "ab\nc"),
        (["  1%", "\r 50%", "\r100%\n"], "100%\n"),
        (["long text\rhi"], "hing text"),
        (["long text\r\x1b[Khi"], "hi"),
        (["abc\b\bX"], "aXc"),
        (["a\r\nb"], "a\nb"),
        (["one\n\r 1%\x1b[A\rONE\n\r 2%\x1b[A"], "ONE\n 2%"),  # as nested bars of tqdm
        (["\x1b[31mred\x1b[0m"], "\x1b[31mred\x1b[0m"),
        (["é\r€"], "€"),
        ([""], ""),
    ],
)
def test_text_is_that_of_a_terminal(texts, expected):
    assert shown(*texts) == expected
    assert shown("".join(texts)) == expected


class TestCellStreams:
    def merge(self, *messages):
        outputs, streams = [], CellStreams()
        for name, text in messages:
            if name == "display":
                outputs.append({"output_type": "display_data", "data": {"text/plain": text}})
            else:
                streams.add(outputs, name, text)
        streams.close()
        return [output.get("text") or output["data"]["text/plain"] for output in outputs]

    def test_texts_of_one_stream_are_merged(self):
        assert self.merge(*[("stdout", f"{number}\n") for number in range(3)]) == ["0\n1\n2\n"]

    def test_order_of_streams_and_displays_is_kept(self):
        messages = [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n"), ("display", "d"), ("stdout", "e\n")]
        assert self.merge(*messages) == ["a\n", "b\n", "c\n", "d", "e\n"]

    def test_progress_bar_leaves_one_line_beside_prints(self):
        messages = [("stderr", " 0%")]
        for number in range(1, 1001):
            messages += [("stderr", f"\r{number / 10:.0f}%"), ("stdout", f"{number}\n")]
        bar, printed = self.merge(*messages)
        assert bar == "100%" and printed.splitlines() == [str(number) for number in range(1, 1001)]

    def test_text_is_set_while_the_cell_runs(self):
        outputs, streams = [], CellStreams()
        streams.add(outputs, "stdout", "so far")
        streams.flush_if_due()
        assert outputs[0]["text"] == "so far"
