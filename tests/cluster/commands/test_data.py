"""`reeltune data`: what it says of a file beside its numbers."""

from pathlib import Path

from reeltune.cluster.commands.data import describe_data
from reeltune.trainables.data.prepared import DataOptions


def described(text):
    Path("r.csv").write_text(text)
    return describe_data(DataOptions(data="r.csv"))


def test_the_columns_and_the_reason_of_no_time_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = described("user_id,asin,title,rating\na,x,Good,1\nb,y,Bad,2\n")
    assert found.columns == {"user": "user_id", "item": "asin", "rating": "rating"}
    assert found.columns_line == "columns: user = 'user_id', item = 'asin' (not 'title'), rating = 'rating'"
    assert found.notes == [
        "no column is read as time because none is called timestamp, time or date (--time-column NAME reads it)"
    ]


def test_times_in_any_year_are_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = described("user,item,rating,time\na,x,1,1300000000\nb,y,2,1300000001\nc,y,3,99999999999999\n")
    assert found.timestamps == ("2011-03-13T07:06:40", "3170843-11-07T09:46:39")
    assert found.notes[0].startswith("WARNING: 1 of 3 times in column 'time' are outside 1970 to ")
