"""GroupLens' archives of MovieLens, and the tables of users and films in them (and in RecBole's copy) as plain ones.

Users have gender, age and occupation; films have title, genres (with `|` between) and year. The zip code is left
out: as a feature it was tried without gain.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.header import FLAGS
from reeltune.trainables.data.reading.tables import Table

OCCUPATIONS = (  # the codes of MovieLens-1M
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service"),
    *("doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer"),
    *("retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman"),
    *("unemployed", "writer"),
)
USER_FILES = ("u.user", "users.dat", "ml-100k.user")
ITEM_FILES = ("u.item", "movies.dat", "movies.csv", "ml-100k.item")
YEAR = r"\((\d{4})(?:[-–]\d{0,4})?\)(?: \(V\))?\s*$"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One of GroupLens' archives: its folder, the files within, its hash, and how many ratings it has."""

    ratings: str
    items: str
    users: str | None = None
    known_hash: str
    rows: int
    folder: str


ARCHIVES = {
    "ml-100k": Archive(
        folder="ml-100k",
        ratings="u.data",
        users="u.user",
        items="u.item",
        known_hash="sha256:50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        rows=100_000,
    ),
    "ml-1m": Archive(
        folder="ml-1m",
        ratings="ratings.dat",
        users="users.dat",
        items="movies.dat",
        known_hash="md5:c4d9eecfca2ab87c1945afe126590906",
        rows=1_000_209,
    ),
    "ml-10m": Archive(
        folder="ml-10M100K",
        ratings="ratings.dat",
        items="movies.dat",
        known_hash="md5:ce571fd55effeba0271552578f2648bd",
        rows=10_000_054,
    ),
    "ml-20m": Archive(
        folder="ml-20m",
        ratings="ratings.csv",
        items="movies.csv",
        known_hash="md5:cd245b17a1ae2cc31bb14903e1204af3",
        rows=20_000_263,
    ),
    "ml-25m": Archive(
        folder="ml-25m",
        ratings="ratings.csv",
        items="movies.csv",
        known_hash="md5:6b51fb2759a8657d3bfcbfc42b592ada",
        rows=25_000_095,
    ),
    "ml-32m": Archive(
        folder="ml-32m",
        ratings="ratings.csv",
        items="movies.csv",
        known_hash="md5:d472be332d4daa821edc399621853b57",
        rows=32_000_204,
    ),
}


def plain(table: Table) -> pd.DataFrame:
    """The table with the columns `id`, `title` and so on if its file is one of MovieLens'; else as it is."""
    place = table.source.partition("?")[0] if "://" in table.source else table.source.replace("\\", "/")
    name = place.rsplit("/", 1)[-1]
    frame = table.frame.rename(columns=lambda column: str(column).split(":")[0])
    if name in USER_FILES and {"user_id", "age", "gender", "occupation"} <= set(frame.columns):
        return _users(frame)
    if name == "u.item":
        return _films(frame["item_id"], frame["title"], _genres_of_flags(frame))
    if name == "ml-100k.item":
        return _films(frame["item_id"], _recbole_titles(frame), frame["class"].str.split().str.join("|"))
    if name in ITEM_FILES and {"movieId", "title", "genres"} <= set(frame.columns):
        return _films(frame["movieId"], frame["title"], frame["genres"])
    return table.frame


def _users(frame: pd.DataFrame) -> pd.DataFrame:
    codes = {str(code): occupation for code, occupation in enumerate(OCCUPATIONS)}
    return pd.DataFrame(
        {
            "id": frame["user_id"],
            "gender": frame["gender"],
            "age": frame["age"],
            "occupation": frame["occupation"].replace(codes),
        }
    )


def _films(ids: pd.Series, titles: pd.Series, genres: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "title": titles, "genres": genres, "year": year_of(titles)})


def year_of(titles: pd.Series) -> pd.Series:
    """The year at the end of titles such as `Heat (1995)`, as text; missing where there is none."""
    return titles.str.extract(YEAR, expand=False)


def _genres_of_flags(frame: pd.DataFrame) -> pd.Series:
    names = np.array(FLAGS)
    return pd.Series(["|".join(names[flags]) or None for flags in (frame[list(FLAGS)] == "1").to_numpy()])


def _recbole_titles(frame: pd.DataFrame) -> pd.Series:
    titles = frame["movie_title"] + " (" + frame["release_year"] + ")"
    return titles.where(frame["movie_title"] != "unkonwn", "unknown")  # as GroupLens has it
