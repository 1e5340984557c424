import bz2
import gzip
import io
import lzma
import os
import zipfile

import pytest

from reeltune.trainables.data.reading.files import below, files_in, is_folder, plain_file_name, read_bytes
from reeltune.trainables.errors import InputError

TEXT = b"user,item,rating\na,x,1\nb,y,2.5\n"


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return packed.getvalue()


def refused(path):
    with pytest.raises(InputError) as caught:
        read_bytes(str(path))
    return str(caught.value)


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)], ids=["gz", "bz2", "xz"]
)
def test_a_packed_file_is_unpacked_whatever_its_name(tmp_path, ending, pack):
    for name in (f"r.csv.{ending}", "r.csv"):
        (tmp_path / name).write_bytes(pack(TEXT))
        assert read_bytes(str(tmp_path / name)) == ("r.csv", TEXT)


def test_the_only_file_of_a_zip_is_read(tmp_path):
    (tmp_path / "any.zip").write_bytes(zipped(**{"folder__U.data": TEXT, "__MACOSX__._U.data": b"x", "folder__": b""}))
    assert read_bytes(str(tmp_path / "any.zip")) == ("u.data", TEXT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(a=TEXT, b=TEXT), "expected one file in it; found a, b (unpack it"),
        (zipped(), "expected one file in it; found nothing"),
        (zipped(xl__workbook="x", other="y"), "is an Excel workbook; save its sheet as CSV"),
        (zipped(a=TEXT)[:-30], "cannot be unpacked"),
        (lzma.compress(TEXT)[:-9], "cannot be unpacked"),
    ],
    ids=["two", "none", "excel", "half a zip", "half an xz"],
)
def test_what_cannot_be_unpacked_is_refused_with_a_reason(tmp_path, content, said):
    (tmp_path / "r.zip").write_bytes(content)
    assert said in refused(tmp_path / "r.zip")


def test_a_name_is_plain_without_the_endings_of_packers():
    assert plain_file_name("s3://bucket/Folder/Ratings.CSV.gz") == "ratings.csv"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_with_what_is_taken(tmp_path):
    os.mkfifo(tmp_path / "pairs.csv")
    with pytest.raises(InputError, match=r"pairs.csv: is a named pipe or a device, and a table is read from a file"):
        is_folder(str(tmp_path / "pairs.csv"))


def test_the_files_of_a_folder_are_listed(tmp_path):
    (tmp_path / "r.csv").write_text("x")
    assert files_in(str(tmp_path)) == ["r.csv"]
    assert files_in(str(tmp_path / "r.csv")) == files_in(str(tmp_path / "gone")) == []


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("ratings", "ratings/a.csv"),
        ("what?/", "what?/a.csv"),
        ("s3://bucket/parts", "s3://bucket/parts/a.csv"),
        ("s3://bucket/parts/?region=eu-west-1", "s3://bucket/parts/a.csv?region=eu-west-1"),
    ],
)
def test_a_file_in_a_folder_has_what_the_folders_uri_asks_for(folder, expected):
    assert below(folder, "a.csv") == expected
