import contextlib
import functools
import hashlib
import http.server
import pwd
import shutil
import ssl
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace

import pandas as pd
import pytest

from reeltune.trainables.data import load_data, movielens
from reeltune.trainables.data.grouplens import ARCHIVES, Archive, plain
from reeltune.trainables.data.reading.header import FLAGS
from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

NOWHERE = "http://127.0.0.1:9/{name}.zip"  # the port of 'discard', where nothing answers


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REELTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_programs(monkeypatch):
    """Whoever starts a program fails; pip is one."""

    def refuse(*args, **options):
        raise AssertionError("no program may be started here")

    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.fixture(scope="session")
def wheel_index():
    """Skips where no package index answers."""
    command = [sys.executable, "-m", "pip", "index", "versions", "recbole", "--retries", "0", "--timeout", "10"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("pip reaches no package index, from which ML-100k's copy would come")


@pytest.fixture(scope="session")
def fetched(tmp_path_factory, wheel_index):
    """A cache with ML-100k in it, fetched while GroupLens was out of reach."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELTUNE_CACHE", str(folder))
        patch.setattr(movielens, "URL", NOWHERE)
        movielens.fetch("ml-100k")
    return folder


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"REELTUNE_CACHE": "/mine", "XDG_CACHE_HOME": "/theirs"}, "/mine"),
        ({"REELTUNE_CACHE": "", "XDG_CACHE_HOME": "/theirs"}, "/theirs/reeltune"),
        ({"HOME": "/home/me"}, "/home/me/.cache/reeltune"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have another cache folder")
def test_the_cache_is_the_platforms_unless_a_variable_says_otherwise(monkeypatch, variables, expected):
    for name in ("REELTUNE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(movielens.cache_folder()) == expected


def test_a_user_without_a_home_folder_is_told_of_the_variable(monkeypatch):
    def unknown(number):
        raise KeyError(number)

    for name in ("REELTUNE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(InputError, match=r"this user has no home folder; set REELTUNE_CACHE to a folder that can be"):
        movielens.cache_folder()


def archive(folder):
    """A zip in the form of ML-100k's, with four ratings of three films, two of them of one title, by two women."""
    file = folder / "ml-100k.zip"
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("ml-100k/u.data", "7\t1\t5\t30\n7\t2\t3\t20\n8\t3\t1\t10\n8\t1\t4\t40\n")
        films = [("Léon (1994)", "Action", "Drama"), ("Copycat (1995)", "Drama"), ("Copycat (1995)", "Comedy")]
        lines = [
            "|".join([str(number), title, "", "", "", *("01"[flag in genres] for flag in FLAGS)])
            for number, (title, *genres) in enumerate(films, start=1)
        ]
        content.writestr("ml-100k/u.item", "\n".join(lines).encode("latin-1"))
        content.writestr("ml-100k/u.user", "7|24|F|writer|85711\n8|53|F|writer|94043\n")
    return file


@pytest.fixture
def grouplens(tmp_path, monkeypatch):
    """A GroupLens on this machine, which serves the small archive; entered, it answers."""
    file = archive(tmp_path)
    known_hash = "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    small = Archive(folder="ml-100k", ratings="u.data", users="u.user", items="u.item", known_hash=known_hash, rows=4)
    monkeypatch.setitem(ARCHIVES, "ml-100k", small)
    return functools.partial(serve, tmp_path, monkeypatch)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serve(folder, monkeypatch, *, certificate=None):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        monkeypatch.setattr(movielens, "URL", f"{scheme}://127.0.0.1:{server.server_port}/{{name}}.zip")
        threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        yield
        server.shutdown()


@pytest.fixture
def own_certificate(tmp_path):
    """A certificate that no authority has signed, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate that nobody signed, and is not installed")
    file = tmp_path / "own.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "1"]
    subprocess.run([*command, "-keyout", file, "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    file.write_text(file.read_text() + (tmp_path / "cert.pem").read_text())
    return file


def test_the_wheels_copy_is_movielens_100k_by_title(fetched, monkeypatch):
    monkeypatch.setenv("REELTUNE_CACHE", str(fetched))
    data = load_data("ml-100k")
    assert (len(data.rows), data.users.rows, data.items.rows) == (100_000, 944, 1665)
    assert data.rows.ratings.mean() == pytest.approx(3.52986)
    assert data.rows.timestamps[0] == 881_250_949
    assert data.users.text[0] == "196"
    assert data.items.text[0] == "Kolya (1996)"
    assert {"Toy Story (1995)", "unknown"} <= set(data.items.text)


def test_duplicates_of_a_title_can_be_dropped(fetched, monkeypatch):
    monkeypatch.setenv("REELTUNE_CACHE", str(fetched))
    data = load_data("ml-100k", duplicates="last")
    assert data.dropped > 0
    assert len(data.rows) == 100_000 - data.dropped


def test_the_second_fetch_is_from_the_cache(fetched, monkeypatch, no_programs):
    monkeypatch.setenv("REELTUNE_CACHE", str(fetched))
    monkeypatch.setattr(movielens, "URL", NOWHERE)
    file = fetched / "ml-100k" / "ratings.parquet"
    before = file.stat().st_mtime_ns
    assert movielens.fetch("ml-100k").ratings == file
    assert file.stat().st_mtime_ns == before
    kept = sorted(entry.name for entry in file.parent.iterdir())
    assert kept == ["items.parquet", "ratings.parquet", "users.parquet"]


def test_a_wheel_with_another_content_is_refused(cache, wheel_index, monkeypatch):
    monkeypatch.setattr(movielens, "URL", NOWHERE)
    monkeypatch.setitem(movielens.WHEEL_SHA256, "ml-100k.inter", "0" * 64)
    with pytest.raises(InputError, match=r"ml-100k\.inter in recbole==1\.2\.1 has another hash than the known one"):
        movielens.fetch("ml-100k")
    assert not list(cache.rglob("*.parquet"))


def test_grouplens_own_archive_comes_first(cache, grouplens, no_programs):
    with grouplens():
        data = load_data("ml-100k")
    assert data.users.text.tolist() == ["7", "8"]
    assert data.items.text.tolist() == ["Léon (1994)", "Copycat (1995)"]
    assert data.rows.ratings.tolist() == [5, 3, 1, 4]
    assert data.rows.timestamps.tolist() == [30, 20, 10, 40]
    assert pd.read_parquet(cache / "ml-100k" / "ratings.parquet").shape == (4, 4)


def test_a_refused_certificate_is_said_and_the_hash_decides(cache, grouplens, own_certificate, no_programs, capsys):
    with grouplens(certificate=own_certificate):
        assert len(load_data("ml-100k").rows) == 4
    assert "certificate refused; fetching it unverified and checking its hash" in capsys.readouterr().err


def test_an_archive_with_another_content_is_refused(cache, tmp_path, monkeypatch):
    (tmp_path / "ml-1m.zip").write_bytes(archive(tmp_path).read_bytes())
    said = pytest.raises(InputError, match=r"ml-1m\.zip has another hash than the published one")
    with serve(tmp_path, monkeypatch), said:
        movielens.fetch("ml-1m")
    assert not cache.exists()


def test_an_archive_with_rows_missing_is_refused(cache, grouplens, monkeypatch):
    short = ARCHIVES["ml-100k"]
    monkeypatch.setitem(ARCHIVES, "ml-100k", replace(short, rows=5))
    with grouplens(), pytest.raises(InputError, match="expected 5 ratings and got 4"):
        movielens.fetch("ml-100k")
    assert not list(cache.rglob("*.parquet"))


def test_what_no_source_has_lists_them_and_the_way_out(cache, monkeypatch):
    monkeypatch.setattr(movielens, "URL", NOWHERE)
    with pytest.raises(InputError, match=r"ml-1m: cannot be fetched: .* is not reachable\. Unpack .* as --data"):
        load_data("ml-1m")


def test_the_cache_is_where_the_variable_says(cache, monkeypatch):
    assert movielens.cache_folder() == cache
    monkeypatch.delenv("REELTUNE_CACHE")
    assert movielens.cache_folder().name == "reeltune"


def test_ml_100k_by_name_brings_its_users_and_films(fetched, monkeypatch):
    monkeypatch.setenv("REELTUNE_CACHE", str(fetched))
    data = load_data("ml-100k")
    assert data.user_features.rows == 944
    assert data.item_features.rows == 1665
    assert {"gender=F", "occupation=writer", "age=7-20"} <= set(data.user_features.names)
    assert {"genres=Film-Noir", "genres=Children's", "year=1995"} <= set(data.item_features.names)
    assert data.notes == ()


def test_both_sources_have_the_same_side_tables(cache, grouplens, tmp_path, no_programs):
    with grouplens():
        movielens.fetch("ml-100k")
    users, items = (pd.read_parquet(cache / "ml-100k" / f"{kind}.parquet") for kind in ("users", "items"))
    assert users.to_dict("list") == {
        "id": ["7", "8"],
        "gender": ["F", "F"],
        "age": ["24", "53"],
        "occupation": ["writer", "writer"],
    }
    assert items.to_dict("list") == {
        "id": ["Léon (1994)", "Copycat (1995)", "Copycat (1995)"],
        "genres": ["Action|Drama", "Drama", "Comedy"],
        "year": ["1994", "1995", "1995"],
    }
    recbole = tmp_path / "ml-100k.item"
    recbole.write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tLéon\t1994\tAction Drama\n2\tCopycat\t1995\tDrama\n3\tCopycat\t1995\tComedy\n"
    )
    films = plain(read_table(str(recbole)))
    assert films.drop(columns="id").rename(columns={"title": "id"}).to_dict("list") == items.to_dict("list")


def test_films_of_one_title_have_the_genres_of_both(cache, grouplens, no_programs):
    with grouplens():
        data = load_data("ml-100k")
    copycat = data.items.encode(["Copycat (1995)"])[0]
    features = data.item_features
    named = [features.names[features.columns[at]] for at in range(*features.offsets[copycat : copycat + 2])]
    assert named == ["genres=Drama"], "no other film is a comedy, nor of 1995"


def test_a_cache_without_side_tables_is_completed(cache, grouplens, no_programs):
    with grouplens():
        movielens.fetch("ml-100k")
        ratings = cache / "ml-100k" / "ratings.parquet"
        before = ratings.stat().st_mtime_ns
        (cache / "ml-100k" / "users.parquet").unlink()
        (cache / "ml-100k" / "items.parquet").unlink()
        assert movielens.fetch("ml-100k").complete
    assert ratings.stat().st_mtime_ns == before


def test_a_cache_that_cannot_be_completed_serves_and_says_so(cache, grouplens, monkeypatch):
    with grouplens():
        movielens.fetch("ml-100k")
    (cache / "ml-100k" / "items.parquet").unlink()
    monkeypatch.setattr(movielens, "_from_wheel", movielens._from_grouplens)
    data = load_data("ml-100k")
    assert (len(data.rows), data.user_features, data.item_features) == (4, None, None)
    assert "its side tables are not in the cache and cannot be fetched" in data.notes[0]
