"""What a folder of parts holds besides them, and whether the parts have the same columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyarrow import dataset, fs

from reeltune.trainables.data.reading.files import (
    below,
    files_in,
    is_visible,
    listed,
    plain_file_name,
    read_bytes,
    resolve,
)
from reeltune.trainables.data.reading.header import known_names
from reeltune.trainables.data.reading.jsonlines import ENDINGS
from reeltune.trainables.errors import InputError

RATINGS_FILES = ("u.data", "ratings.dat", "ratings.csv")  # of a folder with one of these, that is read
# In lower case: what MovieLens' archives and RecBole's copy have beside those and the files of `known_names`.
OF_MOVIELENS = (
    *("readme", "readme.txt", "readme.html", "checksums.txt", "allbut.pl", "mku.sh", "split_ratings.sh", "u.genre"),
    *("u.info", "u.occupation", "tags.dat", "movies.csv", "links.csv", "tags.csv", "genome-scores.csv"),
    *("genome-tags.csv", "ml-100k.inter", "ml-100k.user", "ml-100k.item"),
)
PARQUET = (".parquet", ".pq")
PARTS = (".csv", ".tsv", *ENDINGS)  # endings of a folder's parts, besides names such as `part-00000`
HIDDEN = (".", "_")  # how names begin that pyarrow passes over
INDEX = "__index_level_"  # how pandas names the column of an index without a name, which some parts alone may have
OURS = {  # a file that tells a folder of reeltune's, what that is, and what reads it
    "run.json": ("a run", "reeltune report shows it, and run.json in it names its data"),
    "model.safetensors": ("a model bundle", "reeltune predict and recommend take it as MODEL"),
}


def visible_in(source: str) -> list[str]:
    """The names of a folder's files that can hold data. Raises InputError where the folder is one of reeltune's own."""
    names = [name for name in files_in(source) if is_visible(name)]
    for name, (what, hint) in OURS.items():
        if name in names and not set(RATINGS_FILES) & set(names) and _is_ours(below(source, name)):
            raise InputError(f"{source}: is {what} of reeltune's, and no table: {hint}")
    return names


def _is_ours(file: str) -> bool:
    """Whether a file of this name is reeltune's: somebody's ratings may be called `run.json`."""
    return not file.endswith(".json") or all(word in read_bytes(file)[1] for word in (b'"asked"', b'"versions"'))


def beside_ratings(names: Sequence[str], ratings: str) -> tuple[str, ...]:
    """What to say of the other files of a folder with one of RATINGS_FILES: nothing of those of MovieLens' archives."""
    own = {name for name in names if name.lower() in OF_MOVIELENS or known_names(name) is not None}
    others = [name for name in names if name != ratings and (name in RATINGS_FILES or name not in own)]
    return (f"not read as ratings: {listed(others)}",) if others else ()


def refuse_other_columns(source: str, parts: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Raise InputError where a part, each with its name and columns, has other columns than the first."""
    (first, expected), *others = parts
    for part, found in others:
        if set(found) != set(expected):
            raise InputError(
                f"{source}: its files have other columns: {', '.join(expected)} in {first}, "
                f"{', '.join(found)} in {part} (give one file)"
            )


def refuse_other_schemas(source: str, parts: Iterable[dataset.Fragment]) -> None:
    """As `refuse_other_columns`, of parts in Parquet: pyarrow would read the columns of the first alone."""
    columns = [
        (part.path, [name for name in part.physical_schema.names if not name.startswith(INDEX)]) for part in parts
    ]
    if columns:
        refuse_other_columns(source, columns)


def about_parts(names: Sequence[str]) -> str:
    """How many parts were read, and which, unless they are called `part-...`: `test.csv` may not be meant."""
    plain = all(PurePosixPath(name).name.startswith("part-") for name in names)
    return f"{len(names)} parts" if plain else f"{len(names)} parts: {listed(list(names))}"


def about_fragments(source: str, parts: Iterable[dataset.Fragment]) -> tuple[str, ...]:
    """As `about_parts`, of a folder of Parquet, of which pyarrow reads the folders in it too; of one file nothing."""
    _, path = resolve(source)
    names = [str(PurePosixPath(part.path).relative_to(path)) for part in parts]
    return (about_parts(names),) if len(names) > 1 else ()


def holds_parquet(source: str, names: Sequence[str]) -> bool:
    """Whether a folder of these files has parts in Parquet: itself, or in folders alone, as `partitionBy` of Spark."""
    if any(name.lower().endswith(PARQUET) for name in names):
        return True
    if any(plain_file_name(name).endswith(PARTS) or name.startswith("part-") for name in names):
        return False
    return any(name.lower().endswith(PARQUET) for name in _names_below(source))


def _names_below(source: str) -> set[str]:
    """The names of all files and folders below a folder."""
    filesystem, path = resolve(source)
    found = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    return {part for each in found for part in PurePosixPath(each.path).relative_to(path).parts}


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Names of files beside parts in Parquet that are no part; `prefixes` has pyarrow pass over them."""

    names: tuple[str, ...] = ()

    @classmethod
    def parquet(cls, source: str) -> "Beside":
        """Of a folder, those without an ending of data, such as `README.md`; of a file, none."""
        every = [name for name in files_in(source) if not name.startswith(HIDDEN)]
        others = [name for name in every if not plain_file_name(name).endswith((*PARQUET, *PARTS))]
        # pyarrow goes by how names begin, also those of folders, so nothing that another name begins with can be passed
        # over.
        taken = _names_below(source) if others else set()
        return cls(
            names=tuple(
                name
                for name in others
                if not name.startswith("part-") and not any(each.startswith(name) for each in taken - {name})
            )
        )

    @property
    def prefixes(self) -> list[str]:
        return [*HIDDEN, *self.names]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not read, in one line; checksums need none."""
        said = [name for name in self.names if is_visible(name)]
        return (f"not read: {listed(said)}",) if said else ()
