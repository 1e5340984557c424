import gzip

import pandas as pd
import pyarrow as pa
import pytest

from reeltune.trainables.data.reading.tables import read_table, table_in_memory
from reeltune.trainables.errors import InputError


def write(folder, name, content):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


ROWS = [["a", "x", "1"], ["b", "y", "2.5"]]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_read_off_the_header(tmp_path, separator):
    lines = [separator.join(line) for line in [["user", "item", "rating"], *ROWS]]
    table = read_table(write(tmp_path, "any.txt", "\n".join(lines)))
    assert list(table.frame.columns) == ["user", "item", "rating"]
    assert table.frame.to_numpy().tolist() == ROWS


def test_everything_in_a_text_file_stays_text(tmp_path):
    table = read_table(write(tmp_path, "r.csv", "user,item,rating\n007,NA,1.50\nnull,1e3,2\n"))
    assert table.frame.to_numpy().tolist() == [["007", "NA", "1.50"], ["null", "1e3", "2"]]


def test_a_byte_order_mark_and_windows_lines_are_no_content(tmp_path):
    table = read_table(write(tmp_path, "r.csv", b"\xef\xbb\xbfuser,item,rating\r\na,x,1\r\nb,y,2.5\r\n"))
    assert list(table.frame.columns) == ["user", "item", "rating"]
    assert table.frame.to_numpy().tolist() == ROWS


def test_a_gzipped_file_reads_as_the_file(tmp_path):
    table = read_table(write(tmp_path, "r.tsv.gz", gzip.compress(b"user\titem\trating\na\tx\t1\nb\ty\t2.5\n")))
    assert table.frame.to_numpy().tolist() == ROWS


@pytest.mark.parametrize(
    ("name", "content"),
    [("u.data", "a\tx\t1\t9\nb\ty\t2.5\t8\n"), ("ratings.dat", "a::x::1::9\nb::y::2.5::8\n")],
)
def test_movielens_own_files_have_no_header(tmp_path, name, content):
    for source in (write(tmp_path, name, content), str(tmp_path)):
        table = read_table(source)
        assert list(table.frame.columns) == ["user", "item", "rating", "timestamp"]
        assert table.frame["rating"].tolist() == ["1", "2.5"]
        assert table.place(1) == f"{tmp_path}/{name}:2"


def test_movielens_older_tables_are_latin_text_and_have_no_quoting(tmp_path):
    users = read_table(write(tmp_path, "u.user", "1|24|M|technician|85711\n"))
    assert users.frame.iloc[0].tolist() == ["1", "24", "M", "technician", "85711"]
    films = write(tmp_path, "movies.dat", '1::"Léon (1994)::Drama\n2::Heat "2"::War\n'.encode("latin-1"))
    assert read_table(films).frame["title"].tolist() == ['"Léon (1994)', 'Heat "2"']
    assert read_table(films).place(1) == f"{films}:2"


def test_a_uri_and_a_path_read_alike(tmp_path):
    source = write(tmp_path, "r.csv", "user,item,rating\na,x,1\nb,y,2.5\n")
    assert read_table(f"file://{source}").frame.equals(read_table(source).frame)


def test_a_folder_of_parquet_parts_is_one_table(tmp_path):
    for number in range(3):
        frame = pd.DataFrame({"user": [number], "item": ["x"], "rating": [number + 0.5]})
        frame.to_parquet(tmp_path / f"part-{number}.parquet")
    table = read_table(str(tmp_path))
    assert table.frame["user"].tolist() == [0, 1, 2]
    assert table.place(1) == f"{tmp_path}: row 2"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("user,item,rating\na,x,1\nb,y,BAD\n", 3),
        ("\n\nuser,item,rating\n\na,x,1\n\n\nb,y,BAD\n", 8),
        ('user,item,rating\n"a\n1",x,1\n"two ""q""\n\nlines",x,1\nb,y,BAD\n', 7),
        ("user,item,rating\r\na,x,1\r\n\r\nb,y,BAD\r\n", 4),
    ],
    ids=["plain", "blank lines", "quoted lines", "windows"],
)
def test_the_place_of_a_row_is_its_line_in_the_file(tmp_path, content, line):
    table = read_table(write(tmp_path, "r.csv", content))
    row = table.frame.index[table.frame["rating"] == "BAD"][0]
    assert table.place(row) == f"{tmp_path}/r.csv:{line}"


def refused(source):
    with pytest.raises(InputError) as caught:
        read_table(str(source))
    message = str(caught.value)
    assert message.startswith(str(source))
    assert "\n" not in message
    return message


def test_no_such_file(tmp_path):
    assert refused(tmp_path / "r.csv").endswith("r.csv: no such file")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file(tmp_path, content):
    assert refused(write(tmp_path, "r.csv", content)).endswith("is empty")


def test_a_header_alone(tmp_path):
    assert refused(write(tmp_path, "r.csv", "user,item,rating\n")).endswith("has a header and no rows")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "is no text file"),
        ("r.csv", "user,item,rating\na,x,1\nb,y,2,3,4\n", "r.csv:3: expected 3 fields (user, item, rating); found 5"),
        ("r.parquet", "user,item,rating\na,x,1\n", "no readable Parquet"),
        ("r.csv.gz", "user,item,rating\na,x,1\n", "cannot be read"),
        ("r.csv.gz", gzip.compress(b"user,item,rating\n" + b"a,x,1\n" * 9)[:-9], "cannot be read"),
    ],
    ids=["binary", "ragged", "no parquet", "no gzip", "half a gzip"],
)
def test_a_file_that_is_no_table(tmp_path, name, content, said):
    assert said in refused(write(tmp_path, name, content))


def test_files_without_data_beside_parquet_parts_are_passed_over_and_named(tmp_path):
    for part in range(2):
        pd.DataFrame({"user": ["a"], "item": ["x"], "rating": [part]}).to_parquet(tmp_path / f"b{part}.parquet")
    for name in ("README.md", "LICENSE", "_SUCCESS", "b0.parquet.crc"):
        write(tmp_path, name, "hello")
    for source in (str(tmp_path), f"file://{tmp_path}"):
        table = read_table(source)
        assert table.frame["rating"].tolist() == [0, 1]
        assert table.notes == ("2 parts: b0.parquet, b1.parquet", "not read: LICENSE, README.md")


def test_parts_of_parquet_in_folders_below_are_read_and_named_unless_they_are_called_part(tmp_path):
    one = pd.DataFrame({"user": ["a"], "item": ["x"], "rating": [1]})
    for name in ("test.parquet", "old/train.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        one.to_parquet(tmp_path / name)
    assert read_table(str(tmp_path)).notes == ("2 parts: old/train.parquet, test.parquet",)
    for place in ("year=2020/part-0.parquet", "year=2021/part-0.parquet"):
        (tmp_path / "years" / place).parent.mkdir(parents=True)
        one.to_parquet(tmp_path / "years" / place)
    assert read_table(str(tmp_path / "years")).notes == ("2 parts",)


def test_folders_below_parts_of_text_are_not_read_and_named(tmp_path):
    write(tmp_path, "a.csv", "user,item,rating\na,x,1\n")
    write(tmp_path, "b.csv", "user,item,rating\nb,y,2\n")
    for name in ("old", ".git"):
        (tmp_path / name).mkdir()
    assert read_table(str(tmp_path)).notes == ("2 parts: a.csv, b.csv", "not read: old/")


def test_no_folder_below_is_passed_over_for_a_file_that_its_name_begins_with(tmp_path):
    for place in ("one.parquet", "year=2020/two.parquet"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        pd.DataFrame({"user": ["a"], "item": [place], "rating": [1.0]}).to_parquet(tmp_path / place)
    (tmp_path / "LICENSE").write_text("free")
    assert len(read_table(str(tmp_path)).frame) == 2
    (tmp_path / "year").write_text("no data")
    with pytest.raises(InputError, match="no readable Parquet"):
        read_table(str(tmp_path))


@pytest.mark.parametrize("more", [{"item": ["x"], "time": [3]}, {"title": ["x"]}], ids=["one more", "another"])
def test_parquet_parts_of_other_columns_are_refused_whichever_comes_first(tmp_path, more):
    parts = [pd.DataFrame({"user": ["a"], "item": ["x"]}), pd.DataFrame({"user": ["b"], **more})]
    for first, second in (parts, parts[::-1]):
        first.to_parquet(tmp_path / "b0.parquet", index=False)
        second.to_parquet(tmp_path / "b1.parquet", index=False)
        said = refused(tmp_path)
        assert f"its files have other columns: {', '.join(first)} in {tmp_path}/b0.parquet, " in said
        assert said.endswith(f"{', '.join(second)} in {tmp_path}/b1.parquet (give one file)")


def test_parquet_parts_may_have_their_columns_in_another_order_and_an_index_of_their_own(tmp_path):
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"]})
    frame[:1].to_parquet(tmp_path / "b0.parquet")
    frame[["item", "user"]].set_index(pd.Index([7, 9])).to_parquet(tmp_path / "b1.parquet")
    table = read_table(str(tmp_path))
    assert table.frame[["user", "item"]].to_numpy().tolist() == [["a", "x"], ["a", "x"], ["b", "y"]]


def test_a_part_may_be_called_as_a_file_of_ours_is(tmp_path):
    (tmp_path / "run.json").write_text('{"user": 1, "item": 2, "rating": 3}\n{"user": 2, "item": 2, "rating": 4}\n')
    assert len(read_table(str(tmp_path)).frame) == 2


@pytest.mark.parametrize("name", ["more.csv", "part-00000", "b0"])
def test_what_may_be_data_beside_parquet_parts_is_not_passed_over(tmp_path, name):
    """Nor what pyarrow could pass over only together with a part: it goes by how names begin."""
    pd.DataFrame({"user": ["a"], "item": ["x"], "rating": [1]}).to_parquet(tmp_path / "b0.parquet")
    write(tmp_path, name, "user,item,rating\na,x,2\n")
    assert f"{tmp_path}/{name}" in refused(tmp_path)


@pytest.mark.parametrize(("name", "what"), [("run.json", "a run"), ("model.safetensors", "a model bundle")])
def test_a_folder_of_our_own_is_called_what_it_is_by_path_and_by_uri(tmp_path, name, what):
    pd.DataFrame({"user": ["a"], "item": ["x"], "rating": [1]}).to_parquet(tmp_path / "predictions.parquet")
    for file in (name, "held_out.npy", "trials.jsonl"):
        write(tmp_path, file, '{"asked": {}, "versions": {}}')
    for source in (tmp_path, f"file://{tmp_path}"):
        assert f"{source}: is {what} of reeltune's, and no table" in refused(source)
    write(tmp_path, "ratings.csv", "user,item,rating\na,x,2\n")
    assert len(read_table(str(tmp_path)).frame) == 1


def test_a_folder_with_nothing_to_read_lists_what_it_has(tmp_path):
    assert refused(tmp_path).endswith("found nothing")
    write(tmp_path, "notes.txt", "hello")
    assert refused(tmp_path).endswith("found notes.txt")


def test_a_scheme_that_nobody_knows(tmp_path):
    assert "cannot be opened" in refused("nowhere://bucket/r.csv")


def test_a_bad_rows_line_is_counted_with_the_files_own_separator(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('user;item;rating\na;"x\ny";1\nb;z;BAD\n')
    assert read_table(str(path)).place(1) == f"{path}:4"


def test_a_line_of_spaces_is_counted_and_not_read(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n   \na,x,1\nc,y,bad\n")
    assert read_table(str(path)).place(1) == f"{path}:4"


def test_a_very_long_field_is_no_hindrance_to_naming_a_line(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(f"user,item,rating\n{'a' * 200_000},x,1\nc,y,bad\n")
    assert read_table(str(path)).place(1) == f"{path}:3"


def test_rows_of_more_fields_than_the_header_are_refused(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\na,x,1,9\nb,y,2,9\n")
    with pytest.raises(InputError, match=r"3 columns are named \(user, item, rating\) and rows have 4 fields"):
        read_table(str(path))


def test_a_parquet_index_with_a_name_is_a_column(tmp_path):
    path = tmp_path / "r.parquet"
    pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [1, 2]}).set_index("user").to_parquet(path)
    assert list(read_table(str(path)).frame.columns) == ["user", "item", "rating"]


def test_packed_parquet_is_read(tmp_path):
    path = tmp_path / "r.parquet.gz"
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [1, 2]})
    path.write_bytes(gzip.compress(frame.to_parquet(None)))
    assert read_table(str(path)).frame.equals(frame)


def test_parquet_without_rows_is_refused(tmp_path):
    path = tmp_path / "r.parquet"
    pd.DataFrame({"user": [], "item": [], "rating": []}).to_parquet(path)
    with pytest.raises(InputError, match="has no rows"):
        read_table(str(path))


PARTS = {"part-00000.csv": "user,item,rating\na,x,1\n", "part-00001.csv": "user,item,rating\nb,y,2.5\n"}


def folder(tmp_path, **files):
    for name, content in files.items():
        write(tmp_path, name, content)
    return read_table(str(tmp_path))


def test_a_folder_of_text_parts_is_one_table_and_each_row_has_its_place(tmp_path):
    table = folder(tmp_path, **PARTS, _SUCCESS="", **{".part-00000.csv.crc": b"\0", "part-00002.csv": ""})
    assert table.frame.to_numpy().tolist() == ROWS
    assert table.notes == ("2 parts",)
    assert table.place(1) == f"{tmp_path}/part-00001.csv:2"


@pytest.mark.parametrize(
    "files",
    [
        {"part-00000": "a,x,1\n", "part-00001": "b,y,2.5\n"},
        {"x.csv": "user,item,rating\na,x,1\n", "y.csv": "b,y,2.5\n"},
        {"x.csv": "user,item,rating\n", "y.csv": "user,item,rating\na,x,1\nb,y,2.5\n"},
        {"x.csv": "user,item,rating\na,x,1\n", "y.csv": "item,rating,user\ny,2.5,b\n"},
        {"x.json": '{"user": "a", "item": "x", "rating": 1}', "y.json": '{"user": "b", "item": "y", "rating": 2.5}'},
        {"x.csv.gz": gzip.compress(b"user,item,rating\na,x,1\nb,y,2.5\n")},
    ],
    ids=["no header", "header in the first", "no rows in the first", "other order", "json", "packed"],
)
def test_parts_may_be_written_in_other_ways(tmp_path, files):
    table = folder(tmp_path, **files)
    assert table.frame.columns.tolist() == ["user", "item", "rating"]
    assert table.frame.to_numpy().tolist() == ROWS


def test_a_file_that_is_no_part_is_named(tmp_path):
    assert folder(tmp_path, **PARTS, **{"notes.txt": "hello"}).notes == ("2 parts", "not read: notes.txt")


def test_a_file_beside_ratings_is_named_unless_movielens_has_it_there(tmp_path):
    rows = {"ratings.csv": "user,item,rating\na,x,1\nb,y,2.5\n"}
    movielens = dict.fromkeys(["README.txt", "movies.csv", "links.csv", "u.user", "u1.base", "_SUCCESS"], "hello")
    assert folder(tmp_path, **rows, **movielens).notes == ()
    found = folder(
        tmp_path, **{"ratings_2024.csv": "user,item,rating\nc,x,1\n", "ratings.dat": "a::x::1::9\nb::y::2.5::8\n"}
    )
    assert found.frame.to_numpy()[:, :3].tolist() == ROWS
    assert found.notes[-1] == "not read as ratings: ratings.csv, ratings_2024.csv"


def test_parts_that_somebody_named_are_listed(tmp_path):
    first, second = PARTS.values()
    assert folder(tmp_path, **{"test.csv": first, "train.csv": second}).notes == ("2 parts: test.csv, train.csv",)


def test_files_of_other_columns_are_no_parts(tmp_path):
    with pytest.raises(
        InputError, match=r"its files have other columns: user, item, rating in .*, id, title in .*films"
    ):
        folder(tmp_path, **{"a.csv": PARTS["part-00000.csv"], "films.csv": "id,title\n1,Heat\n"})


def test_parts_that_are_all_empty_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"all of its parts are empty"):
        folder(tmp_path, **{"part-0": "", "part-1": "\n"})


def test_decimal_commas_beside_another_separator_become_points(tmp_path):
    table = read_table(write(tmp_path, "r.csv", "user;item;rating;codes;sold\na;x;4,0;1,2,3;1,000\nb;y;-2;4,5;2,500\n"))
    assert table.frame["rating"].tolist() == ["4.0", "-2"]
    assert table.frame["codes"].tolist() == ["1,2,3", "4,5"]
    assert table.frame["sold"].tolist() == ["1,000", "2,500"]  # may be thousands
    assert table.notes == ("decimal commas in column rating",)


@pytest.mark.parametrize("read", [lambda frame: frame, pa.Table.from_pandas], ids=["pandas", "arrow"])
def test_a_frame_in_memory_is_a_table(read):
    frame = pd.DataFrame({"user": [1, 2], "item": ["x", "y"], "rating": [1.0, 2.5]}).set_index("user")
    table = table_in_memory(read(frame), name="frame")
    assert table.frame.columns.tolist() == ["user", "item", "rating"]
    assert table.place(1) == "frame: row 2"


def test_long_whole_numbers_with_gaps_stay_whole():
    table = table_in_memory(pa.table({"user": [2**60 + 1, None]}), name="frame")
    assert table.frame["user"].iloc[0] == 2**60 + 1


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"user": []}), "frame: has no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "frame: two columns are called 'a'; rename one of them"),
        (pd.DataFrame({"a": [1]}).rename_axis("a"), "frame: two columns are called 'a'; rename one of them"),
    ],
)
def test_a_frame_that_is_no_table(frame, said):
    with pytest.raises(InputError, match=said):
        table_in_memory(frame, name="frame")
