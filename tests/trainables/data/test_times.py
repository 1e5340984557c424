from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pytest

from reeltune.trainables.data.times import read_times
from reeltune.trainables.errors import InputError

DAY = "2011-03-14"
SECONDS = int(datetime(2011, 3, 14, 11, 40, 2, tzinfo=UTC).timestamp())


def place(row):
    return f"r.csv:{row + 2}"


def read(values):
    seconds, notes = read_times(pd.Series(values), place, "time")
    return seconds.tolist(), notes


def days(values):
    return [str(pd.Timestamp(each, unit="s").date()) for each in read(values)[0]]


@pytest.mark.parametrize(
    "text",
    [
        "2011-03-14 11:40:02 UTC",
        "2011-03-14 11:40:02.250 UTC",
        "2011-03-14T11:40:02.25Z",
        "2011-03-14 12:40:02 Europe/Berlin",
        "2011-03-14 07:40:02 America/New_York",
        "2011-03-14T12:40:02+01:00[Europe/Paris]",
        "2011-03-14 06:40:02 EST",
        "2011/03/14 11:40:02",
        "Mon Mar 14 11:40:02 +0000 2011",
        "Mon, 14 Mar 2011 11:40:02 GMT",
        "Mon Mar 14 2011 12:40:02 GMT+0100 (CET)",
        "March 14th, 2011 11:40:02 AM",
        "14-Mar-2011 11:40:02",
        "14/03/2011 11:40:02",
        "03/14/2011 11:40:02 a.m.",
        "14.03.2011 11:40:02",
        "20110314114002",
    ],
)
def test_one_moment_is_read_however_it_is_written(text):
    assert read([text, text])[0] == [SECONDS, SECONDS]


@pytest.mark.parametrize("text", ["20110314", "14 March 2011", "Mar 14, 2011", "03 14, 2011", "2011.03.14"])
def test_days_without_a_clock_begin_at_midnight(text):
    assert days([text, text]) == [DAY, DAY]


def test_which_number_is_the_day_is_decided_over_the_whole_column():
    assert days(["03/04/2011", "14/03/2011"]) == ["2011-04-03", DAY]
    assert days(["03/04/2011", "03/14/2011"]) == ["2011-03-04", DAY]
    assert "read day first" in read(["03/04/2011", "14/03/2011"])[1][0]
    with pytest.raises(InputError, match=r"may be day first or month first, such as '03/04/2011' \(r.csv:2\)"):
        read(["03/04/2011", "05/06/2011"])
    with pytest.raises(InputError, match=r"two orders: '14/03/2011' \(r.csv:2\) and '03/14/2011' \(r.csv:3\)"):
        read(["14/03/2011", "03/14/2011"])


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("as_text", [True, False])
def test_the_unit_is_that_of_most_rows(unit, as_text):
    values = [0, SECONDS * unit, SECONDS * unit + unit // 2]
    seconds, notes = read([str(value) for value in values] if as_text else values)
    assert seconds == [0, SECONDS, SECONDS]
    assert notes == ("WARNING: 1 of 3 times in column 'time' are before 1980: r.csv:2 has 0, which is 1970-01-01",)


def test_a_row_in_another_unit_that_makes_sense_in_it_is_read_in_it_and_that_is_said():
    seconds, notes = read([SECONDS, SECONDS, SECONDS * 1000])
    assert seconds == [SECONDS] * 3
    assert notes == ("WARNING: 1 times in column 'time' are in milliseconds among seconds, and read as such",)


@pytest.mark.parametrize(("odd", "day"), [(99_999_999_999, "5138-11-16"), (-1, "1969-12-31")])
def test_times_that_nobody_can_have_rated_at_are_warned_of(odd, day):
    (note,) = read([SECONDS, SECONDS, odd])[1]
    assert note.startswith("WARNING: 1 of 3 times in column 'time' are outside 1970 to ")
    assert note.endswith(f": r.csv:4 has {odd}, which is {day}")


def test_many_small_numbers_are_asked_about():
    (note,) = read(list(range(200)))[1]
    assert note.endswith("is 1970-01-01: are these seconds since 1970?")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_dates_of_any_resolution_and_zone_are_seconds(unit, zone):
    dates = pd.Series(pd.to_datetime([SECONDS, SECONDS], unit="s", utc=True)).astype(f"datetime64[{unit}, UTC]")
    dates = dates.dt.tz_localize(None) if zone is None else dates.dt.tz_convert(zone)
    assert read(dates) == ([SECONDS, SECONDS], ())


def test_dates_of_python_and_arrow_are_read_too():
    midnight = SECONDS - SECONDS % 86_400
    assert read([date(2011, 3, 14)])[0] == [midnight]
    arrow = pd.Series(pa.array([datetime(2011, 3, 14)], pa.timestamp("us"))).astype("timestamp[us][pyarrow]")
    assert read(arrow)[0] == [midnight]
    assert days(pd.Series(["2011", "2012"])) == ["2011-01-01", "2012-01-01"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ["2011-03-14", "yesterday"],
            "r.csv:3: the time in column 'time' must be seconds since 1970 or a date such as",
        ),
        (["1300000000", "1300000001", "soon"], "r.csv:4: .*; found 'soon' \\(rows without a time: 1 of 3\\)$"),
        (["2011-03-14", None, "2011-03-15", ""], "r.csv:3: .*; found nothing \\(rows without a time: 2 of 4\\)$"),
        (["31/12/2011", "30/02/2011"], "r.csv:3: .*; found '30/02/2011'"),
        (["2011-03-14 11:40:02 XYZ"] * 2, "r.csv:2: the time .* has the zone 'XYZ'; write its hours ahead of UTC"),
        ([1300000000.0, 1300000001.0, 1e300], "r.csv:4: .*; found 1e\\+300"),
        ([20110314, 20110314, 0], "r.csv:4: .*; found 0"),
        (pd.to_timedelta([1, 2], unit="s"), "found lengths of time"),
    ],
)
def test_what_is_no_time_is_refused_with_its_line(values, said):
    with pytest.raises(InputError, match=said):
        read(values)
