"""Tables in memory: a DataFrame or an Arrow table goes the way that a file goes."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from reeltune.trainables.data.reading.tables import Table, read_table, table_in_memory
from reeltune.trainables.errors import InputError

FRAME = "DataFrame"  # what such a table is called where a file's name would stand
ARGUMENTS = {  # of `load_data`, for the command line's options
    r"--(user|item|rating)-column ([^\s),.;]+)": r"columns=Columns(\1='\2')",
    r"--time-column ([^\s),.;]+)": r"columns=Columns(timestamp='\1')",
    r"--not-rated '([^']*)'": r"not_rated=('\1',)",
    r"--not-rated ([^\s)]+)": r"not_rated=('\1',)",
    r"--missing-ids (\w+)": r"missing_ids='\1'",
    r"--duplicates (\w+)": r"duplicates='\1'",
    r"--matrix": "matrix=True",
    r"'\) columns=Columns\(": "', ",  # several columns are one argument
}
Source: TypeAlias = str | Path | pd.DataFrame | pa.Table


def table_of(source: Source) -> Table:
    """The table of a file, or of what is in memory already. Raises InputError as `read_table` does."""
    if isinstance(source, (str, Path)):
        table = read_table(str(source))
        return replace(table, frame=table.frame.rename(columns=str))
    if not isinstance(source, (pd.DataFrame, pa.Table)):
        raise InputError(f"expected a name, a file, a DataFrame or a pyarrow.Table; found {type(source).__name__}")
    return table_in_memory(source, name=FRAME)


def in_code(line: str) -> str:
    """A line for somebody who calls `load_data`: options of the command line as its arguments."""
    for option, argument in ARGUMENTS.items():
        line = re.sub(option, argument, line)
    return line


def dense(values: pd.Series) -> pd.Series:
    """A column of plain values: of categories those that stand there, of Arrow's types pandas' own, of lists text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object if values.isna().any() else values.cat.categories.dtype)
    if isinstance(values.dtype, pd.ArrowDtype):
        plain = pa.array(values).to_pandas(integer_object_nulls=True)
        values = pd.Series(plain.to_numpy() if plain.dtype == object else plain.array, index=values.index)
    # Lists and records, as Parquet has them, can be neither compared nor told from a gap.
    if values.dtype == object and pd.api.types.infer_dtype(values).startswith("mixed"):
        return values.map(lambda value: str(value) if pd.api.types.is_list_like(value) else value)
    return values
