"""What a bundle says of its model."""

import pytest

from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.description import describe, fitted_on, name_of
from tests.worlds import config_of


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("ml-100k", "ml-100k"),
        ("synthetic:users=40", "synthetic:users=40"),
        ("/home/ann/films.csv", "films.csv"),
        ("C:\\data\\films.csv", "films.csv"),
        ("../films/", "films"),
        ("s3://KEY:SECRET@bucket/of/films.csv?region=a/b", "films.csv"),
        ("s3://KEY:SE/CR@ET@bucket", "bucket"),
        ("s3://KEY:SEC?RET@bucket/films.csv", "s3://..."),
        ("s3://bucket/films.csv?secret_key=a@SECRET", "s3://..."),
    ],
)
def test_what_is_handed_on_has_names_and_no_paths_or_secrets(source, name):
    assert name_of(source) == name


def test_a_description_has_the_names_of_files_and_no_paths(tmp_path):
    data, test = tmp_path / "films.csv", tmp_path / "test.csv"
    data.write_text("user,item,rating\n" + "".join(f"u{n % 5},i{n},{1 + n % 5}\n" for n in range(30)))
    test.write_text("user,item,rating\nu0,i1,5\n")
    prepared = prepare(DataOptions(data=str(data), test=str(test)))
    described = describe(
        "pmf",
        config_of("pmf"),
        prepared.shape.scale,
        decoder="argmax",
        temperature=1.0,
        seed=7,
        data=prepared.ratings.name,
        metrics={},
        fitted_on=fitted_on(prepared, len(prepared.split.train)),
    )
    assert (described.data, described.fitted_on.test_rows) == ("films.csv", "test.csv")
    assert str(tmp_path) not in described.model_dump_json()
