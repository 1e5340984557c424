"""From a file of any format, or a table in memory, to a table as it stands there, and what was guessed on the way.

What its columns mean is decided above: see `readers.py` of `data`.

- `tables.py`: any ratings file as a frame of text; start reading here
- `parts.py`: a large file some rows at a time
- `cuts.py`: where such a file can be cut
- `agreement.py`: whether its parts' quotes and encoding are what the whole file's would be
- `files.py`: a file's bytes, from a folder or an object store, unpacked
- `folders.py`: what a folder of parts holds besides them, and whether their columns are the same
- `text.py`: those bytes as UTF-8 text
- `dialect.py`: how a text file is written: separator, header, comments
- `header.py`: whether a file's first line names its columns, and what they are without
- `missing.py`: words that say that a cell holds nothing
- `delimited.py`: a text file with separators as a frame
- `quotes.py`: what its quotes do
- `records.py`: its lines as fields, whatever their quotes
- `jsonlines.py`: JSON lines as a frame
- `matrix.py`: a user-by-item matrix as ratings
- `usual_names.py`: the names by which columns usually go
- `hints.py`: what to say where a table's columns cannot be told
- `numbers.py`: a column of text as numbers
- `frames.py`: tables in memory the way that files go
"""
