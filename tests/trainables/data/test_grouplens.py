"""MovieLens' own files of users and films, as GroupLens has them, in tiny."""

import pandas as pd
import pytest

from reeltune.trainables.data import load_data
from reeltune.trainables.data.grouplens import plain, year_of
from reeltune.trainables.data.reading.header import FLAGS
from reeltune.trainables.data.reading.tables import read_table


def flags(*genres):
    return "|".join("01"[flag in genres] for flag in FLAGS)


OLDEST = {
    "u.data": "1\t1\t5\t0\n1\t2\t4\t0\n2\t1\t3\t0\n2\t3\t3\t0\n",
    "u.user": "1|24|M|technician|85711\n2|53|F|other|94043\n3|23|M|other|32067\n",
    "u.item": (
        f'1|Léon "The Pro" (1994)|01-Jan-1994||http://x|{flags("Action", "Drama")}\n'
        f"2|unknown||||{flags('unknown')}\n"
        f"3|Heat (1995)|01-Jan-1995||http://y|{flags('Action')}\n"
    ).encode("latin-1"),
}
MILLION = {
    "ratings.dat": "1::1::5::0\n1::2::4::0\n2::1::3::0\n2::3::3::0\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n3::M::56::10::70072\n",
    "movies.dat": (
        '1::Léon "The Pro" (1994)::Action|Drama\n2::Nothing::(no genres listed)\n3::Heat: 2 (1995)::Action\n'
    ).encode("latin-1"),
}
NEWEST = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,1,5,0\n1,2,4,0\n2,1,3,0\n2,3,3.5,0\n",
    "movies.csv": 'movieId,title,genres\n1,"Léon (1994)",Action|Drama\n2,Nothing,(no genres listed)\n'
    '3,"Heat, The (1995)",Action\n4,"Unrated (1995)",Drama\n',
}


@pytest.fixture
def folder(tmp_path):
    def write(files):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(tmp_path)

    return write


@pytest.mark.parametrize("files", [OLDEST, MILLION, NEWEST], ids=["100k", "1m", "25m"])
def test_a_folder_brings_its_own_films(folder, files):
    data = load_data(folder(files))
    assert data.item_features.names[:1] == ("genres=Action",)
    assert data.item_features.rows == data.items.rows
    starts = data.item_features.offsets
    first, second, third = (int(starts[row + 1] - starts[row]) for row in data.items.encode(["1", "2", "3"]))
    assert first >= third >= 1
    assert second == 0


@pytest.mark.parametrize(("files", "feature"), [(OLDEST, "gender=M"), (MILLION, "age=56")], ids=["100k", "1m"])
def test_a_folder_brings_its_own_users_and_those_who_rated_nothing(folder, files, feature):
    data = load_data(folder(files))
    assert feature in data.user_features.names
    assert data.users.text.tolist() == ["1", "2", "3"]
    assert data.notes == ("users in the side table alone: 1",)


def test_occupations_have_names_in_every_edition(folder):
    source = folder(MILLION)
    assert plain(read_table(f"{source}/users.dat"))["occupation"].tolist() == [
        "K-12 student",
        "self-employed",
        "K-12 student",
    ]


def test_films_have_title_genres_and_year(folder):
    films = plain(read_table(f"{folder(OLDEST)}/u.item"))
    assert films["title"].tolist() == ['Léon "The Pro" (1994)', "unknown", "Heat (1995)"]
    assert films["genres"].tolist() == ["Action|Drama", "unknown", "Action"]
    assert films["year"].iloc[[0, 2]].tolist() == ["1994", "1995"]
    assert films["year"].isna().tolist() == [False, True, False]


def test_the_year_is_the_one_at_the_end():
    titles = ["1984 (1984)", "2001 (1968) ", "Show (2006–2007)", "Land (1995) (V)", "(500) Days", "1984"]
    years = year_of(pd.Series(titles))
    assert years[:4].tolist() == ["1984", "1968", "2006", "1995"]
    assert years[4:].isna().all()


def test_another_table_of_such_a_name_stays_as_it_is(folder):
    source = folder({"movies.csv": "film,length\n1,90\n"})
    assert plain(read_table(f"{source}/movies.csv")).columns.tolist() == ["film", "length"]
