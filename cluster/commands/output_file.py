"""The tables that verbs write: CSV, TSV or Parquet."""

from pathlib import Path

import pandas as pd

from reeltune.trainables.errors import InputError

TABLES = (".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz")


def check_output(output: Path) -> None:
    """Check the output's name and folder before any work. Raises InputError if the file cannot be written."""
    if not output.name.endswith(TABLES):
        raise InputError(f"-o {output}: expected a name that ends in {', '.join(TABLES[:-1])} or {TABLES[-1]}")
    if not output.absolute().parent.is_dir():
        raise InputError(f"-o {output}: there is no folder {output.parent}")


def write_table(frame: pd.DataFrame, output: Path) -> None:
    """Write a frame whole or not at all, as Parquet, TSV or CSV; the file's extension decides which."""
    temporary = output.with_name(f".tmp-{output.name}")  # keeps the extension, by which pandas compresses
    if output.suffix in (".parquet", ".pq"):
        frame.to_parquet(temporary, index=False)
    else:
        frame.to_csv(temporary, index=False, sep="\t" if ".tsv" in output.suffixes[-2:] else ",")
    temporary.replace(output)
