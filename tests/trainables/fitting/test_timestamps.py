"""Which configurations are refused where pairs have no timestamps: by what a configuration says, not by a name."""

import pytest

from reeltune.trainables.architectures import ensemble, pmf, svdpp
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.timestamps import check_times
from tests import two_towers

WORLD = "synthetic:users=60,items=40,ratings=1500"


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """Ratings without timestamps."""
    bare = tmp_path_factory.mktemp("data") / "bare.csv"
    bare.write_text("user,item,rating\n" + "\n".join(f"u{n % 7},i{n % 5},{n % 3 + 1}" for n in range(60)))
    return prepare(DataOptions(data=str(bare)))


def test_a_column_that_cannot_be_read_is_told_with_the_line(tmp_path):
    (tmp_path / "r.csv").write_text("user,item,rating,time\n" + "".join(f"u{n % 7},i{n},{n % 3},\n" for n in range(60)))
    line = r"r\.csv:2: the time in column 'time' .* found nothing \(rows without a time: 60 of 60\); "
    with pytest.raises(InputError, match=f"because .*{line}"):
        check_times([svdpp.Config(time="day")], prepare(DataOptions(data=str(tmp_path / "r.csv"))))


def test_time_is_refused_where_a_pair_has_no_timestamp(without, tmp_path):
    check_times([pmf.Config(), svdpp.Config(), two_towers.Config()], without)
    with pytest.raises(InputError, match=r"time = 'day' needs timestamps: no column .*; use time = 'none'"):
        check_times([svdpp.Config(), svdpp.Config(time="day")], without)
    check_times([svdpp.Config(time="day")], prepare(DataOptions(data=WORLD)))
    later = tmp_path / "later.csv"
    later.write_text("user,item,rating\nu1,i1,5\nu2,i2,1\nnew,new,3\n")
    with pytest.raises(InputError, match="time = 'residual' needs timestamps, and the test rows of"):
        check_times([svdpp.Config(time="residual")], prepare(DataOptions(data=WORLD, test=str(later))))


def test_a_setting_of_another_name_is_named(without):
    with pytest.raises(InputError, match=r"clock = True needs timestamps: no column .*; use clock = False"):
        check_times([two_towers.Config(clock=True)], without)


class Always(pmf.Config):
    @property
    def timed(self):
        return True


def test_an_architecture_that_always_looks_at_times_is_refused_as_such(without):
    with pytest.raises(
        InputError,
        match=r"this architecture needs timestamps: no column .*; choose another",
    ):
        check_times([Always()], without)


@pytest.mark.parametrize("time", ["none", "day"])
def test_an_ensemble_is_timed_where_a_member_is(time):
    half = {"weight": 0.5, "temperature": 1.0}
    members = {"pmf": {**half, "config": {}}, "svdpp": {**half, "config": {"time": time}}}
    assert ensemble.Config.model_validate({"members": members}).timed == (time == "day")
