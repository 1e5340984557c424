import pytest

from reeltune.trainables.data.reading.text import as_utf8
from reeltune.trainables.errors import InputError

TEXT = "user,item\nÉva,Amélie\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_what_a_text_is(encoding):
    assert as_utf8("r.csv", TEXT.encode(encoding)) == (TEXT.encode(), ())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_read_with_a_note(encoding):
    text = "user,item\nanna,heat\n"
    notes = (f"no byte-order mark: read as {encoding}",)
    assert as_utf8("r.csv", text.encode(encoding)) == (text.encode(), notes)


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [(TEXT, "latin-1", "Latin-1"), ("user,item\n€va,“x”\n", "cp1252", "cp1252 (Windows Latin-1)")],
)
def test_text_of_one_byte_a_character_is_read_with_a_note(text, encoding, said):
    content = text.encode(encoding)
    assert as_utf8("r.csv", content) == (text.encode(), (f"is no UTF-8 (first in line 2): read as {said}",))
    assert as_utf8("u.item", content, latin=True) == (text.encode(), ())


@pytest.mark.parametrize(
    "content", [b"a,b\r1,2\r", b"a,b\r\n1,2\r\n", b"a,b\n1,2\n", b"a,b\r\n1,2\n\x1a", b"a,b\r\n1,2\r\n\x1a"]
)
def test_lines_of_old_macs_and_of_windows_end_as_all_others(content):
    assert as_utf8("r.csv", content) == (b"a,b\n1,2\n", ())


def test_the_last_line_of_an_old_macs_file_may_end_as_any():
    assert as_utf8("r.csv", b"a,b\r1,2\r3,4\n") == (b"a,b\n1,2\n3,4\n", ())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no text file (it has NUL bytes)"),
        (b"\n<!DOCTYPE html>\n<html>", "is a web page or XML"),
        (b"name".ljust(257, b"\0") + b"ustar", "is a tar archive; unpack it"),
        (b"\xff\xfea\x00\x00\xd8", "is no utf-16 text, as its first bytes say"),
    ],
    ids=["image", "page", "tar", "broken"],
)
def test_what_is_no_text_is_refused(content, said):
    with pytest.raises(InputError, match=r"r.csv: ") as caught:
        as_utf8("r.csv", content)
    assert said in str(caught.value)
