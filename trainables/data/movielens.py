"""MovieLens by name: fetched once, checked against its published hash, and cached as Parquet.

MovieLens may not be redistributed (https://files.grouplens.org/datasets/movielens/), so no copy of it is
in this project.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reeltune.trainables.data.grouplens import ARCHIVES, plain
from reeltune.trainables.data.readers import read_ratings
from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

log = logging.getLogger(__name__)

URL = "https://files.grouplens.org/datasets/movielens/{name}.zip"
WHEEL = "recbole==1.2.1"
WHEEL_FOLDER = "recbole/dataset_example/ml-100k"
WHEEL_SHA256 = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}


@dataclass(frozen=True, kw_only=True)
class Cached:
    """A data set's Parquet files in the cache: the ratings, and side tables by `id` where it has them."""

    ratings: Path
    users: Path | None
    items: Path | None
    note: str = ""  # why it lacks a side table

    @property
    def complete(self) -> bool:
        return all(path.exists() for path in (self.ratings, self.users, self.items) if path is not None)


def cache_folder() -> Path:
    """`REELTUNE_CACHE`, else the platform's cache folder. Raises InputError where the user has no home folder."""
    if own := os.environ.get("REELTUNE_CACHE"):
        return Path(own)
    usual = "~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(usual).expanduser() / "reeltune"
    except RuntimeError:  # neither HOME nor the system's list of users names a home folder
        raise InputError(
            f"{usual}/reeltune: this user has no home folder; set REELTUNE_CACHE to a folder that can be written"
        ) from None


def fetch(name: str) -> Cached:
    """A MovieLens data set as Parquet files in the cache, fetched if they are not all there.

    Raises InputError that lists every source tried where none of them has it.
    """
    folder, has_users = cache_folder() / name, ARCHIVES[name].users is not None
    users = folder / "users.parquet" if has_users else None
    cached = Cached(ratings=folder / "ratings.parquet", users=users, items=folder / "items.parquet")
    if cached.complete:
        return cached
    reasons = []
    for source in [_from_grouplens] + ([_from_wheel] if name == "ml-100k" else []):
        try:
            frames = source(name)
        except _SourceFailed as error:
            log.info("%s from %s: %s", name, source.__name__, error)
            reasons.append(str(error))
            continue
        _keep(frames, folder, expected=ARCHIVES[name].rows)
        return cached
    if cached.ratings.exists():  # kept by a version that knew of no side tables
        note = f"NOTE: its side tables are not in the cache and cannot be fetched: {'; '.join(reasons)}"
        return Cached(ratings=cached.ratings, users=None, items=None, note=note)
    raise InputError(
        f"{name}: cannot be fetched: {'; '.join(reasons)}. "
        f"Unpack {URL.format(name=name)} anywhere and give its folder as --data"
    )


class _SourceFailed(Exception):
    """This source has no such data now; the next one may."""


def _keep(frames: dict[str, pd.DataFrame], folder: Path, *, expected: int) -> None:
    if len(frames["ratings"]) != expected:
        raise InputError(f"{folder.name}: expected {expected} ratings and got {len(frames['ratings'])}")
    folder.mkdir(parents=True, exist_ok=True)
    for kind, frame in frames.items():
        if (folder / f"{kind}.parquet").exists():
            continue
        # Two processes may fetch at once: each writes a file of its own, and the last rename wins.
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        os.close(handle)
        frame.to_parquet(temporary, index=False)
        os.replace(temporary, folder / f"{kind}.parquet")


def _from_grouplens(name: str) -> dict[str, pd.DataFrame]:
    archive = ARCHIVES[name]
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(_download(name, Path(folder))) as content:
            content.extractall(folder)
        files = {"ratings": archive.ratings, "users": archive.users, "items": archive.items}
        paths = {kind: Path(folder) / archive.folder / file for kind, file in files.items() if file is not None}
        return _frames(paths, by_title=name == "ml-100k")


def _download(name: str, folder: Path) -> Path:
    """Download verified; where the host's certificate has expired, unverified, which the hash makes safe."""
    import pooch  # only who fetches needs it

    url, known_hash = URL.format(name=name), ARCHIVES[name].known_hash
    pooch.get_logger().setLevel("WARNING")
    for verify in (True, False):
        downloader = pooch.HTTPDownloader(verify=verify, timeout=30, progressbar=False)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # urllib3's, about the unverified attempt that is said below
                return Path(pooch.retrieve(url, known_hash, path=folder, downloader=downloader))
        except ValueError:
            raise _SourceFailed(f"{url} has another hash than the published one") from None
        except OSError as error:
            if "certificate" not in str(error).lower() or not verify:
                raise _SourceFailed(f"{url} is not reachable") from None
            print(f"{url}: certificate refused; fetching it unverified and checking its hash", file=sys.stderr)
    raise AssertionError("unreachable")


def _from_wheel(name: str) -> dict[str, pd.DataFrame]:
    """ML-100k's copy inside a wheel of the RecBole library: the same rows in the same order, MIT packaging."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", WHEEL, "--dest", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheel = next(Path(folder).glob("*.whl"), None)
        if done.returncode != 0 or wheel is None:
            last = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise _SourceFailed(f"pip download {WHEEL} failed ({last})")
        paths = {}
        with zipfile.ZipFile(wheel) as content:
            for (file, known_hash), kind in zip(WHEEL_SHA256.items(), ("ratings", "users", "items"), strict=True):
                paths[kind] = Path(folder) / file
                with content.open(f"{WHEEL_FOLDER}/{file}") as packed, paths[kind].open("wb") as out:
                    shutil.copyfileobj(packed, out)
                if hashlib.sha256(paths[kind].read_bytes()).hexdigest() != known_hash:
                    raise _SourceFailed(f"{file} in {WHEEL} has another hash than the known one")
        return _frames(paths, by_title=True)


def _frames(paths: dict[str, Path], *, by_title: bool) -> dict[str, pd.DataFrame]:
    """Ratings and side tables of an unpacked archive; films are known by number, or `by_title`."""
    frames = {kind: plain(read_table(str(path))) for kind, path in paths.items() if kind != "ratings"}
    frames["ratings"] = _ratings(paths["ratings"])
    if by_title:
        items = frames["items"]
        titles = dict(zip(items["id"], items["title"], strict=True))
        frames["items"] = items.assign(id=items["title"])
        frames["ratings"] = frames["ratings"].assign(item=frames["ratings"]["item"].map(titles))
    frames["items"] = frames["items"].drop(columns="title")
    return frames


def _ratings(path: Path) -> pd.DataFrame:
    data = read_ratings(str(path), duplicates="keep")
    return pd.DataFrame(
        {
            "user": data.users.text.to_numpy()[data.rows.users - 1],
            "item": data.items.text.to_numpy()[data.rows.items - 1],
            "rating": data.rows.ratings,
            "timestamp": data.rows.timestamps,
        }
    )
