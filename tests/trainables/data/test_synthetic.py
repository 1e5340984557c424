import numpy as np
import pytest

from reeltune.trainables.data import load_data
from reeltune.trainables.errors import InputError


def test_the_name_says_what_to_make():
    data = load_data("synthetic:users=30,items=20,ratings=500,noise=0.1,seed=3")
    assert (data.users.rows, data.items.rows, len(data.rows)) == (31, 21, 500)
    assert set(data.rows.ratings) <= {1, 2, 3, 4, 5}
    assert (data.rows.users.min(), data.rows.items.min()) == (1, 1)
    assert (np.diff(data.rows.timestamps) >= 0).all()


def test_the_same_seed_makes_the_same_ratings():
    first, again, other = (load_data(f"synthetic:seed={seed}") for seed in (1, 1, 2))
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()


def test_the_defaults_are_2000_ratings():
    assert len(load_data("synthetic").rows) == 2000


def test_the_noise_is_what_separates_two_draws_of_one_world():
    def ratings(noise):
        return load_data(f"synthetic:users=50,items=50,ratings=20000,noise={noise}").rows.ratings

    true = ratings(0)
    errors = [np.square(ratings(noise) - true).mean() for noise in (0, 0.3, 0.5)]
    assert errors[0] == 0
    assert errors[1] > 0.3**2
    assert errors[2] > 0.5**2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("synthetic:users=1", "users: must be greater than or equal to 2; found '1'"),
        ("synthetic:films=3", "no option 'films'; there are users, items, ratings, noise, seed"),
        ("synthetic:noise=loud", "noise: must be a number, 0 or more"),
        ("synthetic:users", "users: must be a whole number from 2 to 100,000,000"),
    ],
)
def test_a_bad_part_is_named(name, said):
    with pytest.raises(InputError, match=said) as caught:
        load_data(name)
    assert str(caught.value).startswith(f"{name}: ")
