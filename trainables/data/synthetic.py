"""Seeded ratings with a known noise floor: half stars out of a small factor model, for tests and scale."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reeltune.trainables.data.ids import Ids
from reeltune.trainables.data.ratings import Ratings, Rows
from reeltune.trainables.errors import InputError
from reeltune.trainables.options import explain

FACTORS = 3
MOST = 100_000_000


class World(BaseModel):
    """What `synthetic:users=…,items=…,ratings=…,noise=…` may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    users: int = Field(200, ge=2, le=MOST)
    items: int = Field(150, ge=2, le=MOST)
    ratings: int = Field(2000, ge=10, le=MOST)
    noise: float = Field(0.5, ge=0, description="standard deviation of the noise, in stars")
    seed: int = Field(0, ge=0)


def parse(name: str) -> World:
    """Read `synthetic` or `synthetic:users=100,noise=0.3`; raises InputError that names the bad part."""
    _, _, options = name.partition(":")
    pairs = [option.partition("=") for option in options.split(",") if option]
    try:
        return World.model_validate({key.strip(): value for key, _, value in pairs})
    except ValidationError as error:
        raise InputError(f"{name}: {explain(error, World)}") from None


def generate(world: World, *, name: str = "synthetic") -> Ratings:
    """Draw ratings of 1 to 5 stars in whole steps: taste in 3 factors, biases, and noise.

    Up to a noise of 0.5 no predictor can have a mean squared error under noise², in expectation: rounding adds
    to it. Beyond, clipping at 1 and 5 takes noise away again.
    """
    draw = np.random.default_rng(world.seed)
    users = draw.integers(0, world.users, world.ratings)
    # Squares of uniform numbers: some items are popular, most are not, as in real data.
    items = (draw.random(world.ratings) ** 2 * world.items).astype(np.int64)
    tastes = draw.normal(0, 0.6, (world.users, FACTORS))
    traits = draw.normal(0, 0.6, (world.items, FACTORS))
    biases = draw.normal(0, 0.4, world.users)[users] + draw.normal(0, 0.4, world.items)[items]
    mean = 3.5 + biases + np.einsum("nf,nf->n", tastes[users], traits[items])
    ratings = np.clip(np.round(mean + draw.normal(0, world.noise, world.ratings)), 1, 5)
    rows = Rows(
        number=np.arange(world.ratings),
        users=(users + 1).astype(np.int32),
        items=(items + 1).astype(np.int32),
        ratings=ratings,
        timestamps=np.sort(draw.integers(1_500_000_000, 1_600_000_000, world.ratings)),
    )
    return Ratings(
        name=name,
        rows=rows,
        users=Ids(np.array([f"u{number}" for number in range(world.users)])),
        items=Ids(np.array([f"i{number}" for number in range(world.items)])),
    )
