"""The bodies of requests and answers. What is wrong with one is said in a sentence, with its place in the body."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from reeltune.trainables.folding.newcomers import LONGEST

MOST_PAIRS = 10_000  # in one request
MOST_USERS = 1000
MOST_ITEMS = 1000  # of a list
MOST_ROWS = 10_000  # of all lists of an answer together
LARGEST_ID = 2**53  # from here on a number with a point may be another than the one that was meant


def as_id(value: object) -> str:
    """An id as text, as the model knows it: 7 and 7.0 are '7'. Raises ValueError at what is no id."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_ID:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected an id: text or a whole number")
    text = str(value)
    if not text.strip():
        raise ValueError("expected an id, and this text is empty")
    if len(text) > LONGEST:
        raise ValueError(f"an id has {LONGEST:,} characters at most, and this one {len(text):,}")
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("expected an id of Unicode text, and this one has half of a surrogate pair")
    return text


def as_whole(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected a whole number")
    return value


def as_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("expected a number, and this one has too many digits") from None


def as_seconds(value: object) -> int:
    """Seconds since 1970 of a date, in UTC unless it names a zone."""
    if isinstance(value, str):
        try:
            when = datetime.fromisoformat(value)
            return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            pass  # one sentence for both
    raise ValueError("expected a date, such as 2026-11-26 or 2026-11-26T18:30")


ID_SCHEMA = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST}, {"type": "integer"}]}
WHEN_SCHEMA = {"type": "string", "description": "ISO 8601: 2026-11-26 or 2026-11-26T18:30+01:00; UTC without a zone"}
Id = Annotated[str, BeforeValidator(as_id), WithJsonSchema(ID_SCHEMA)]
When = Annotated[int, BeforeValidator(as_seconds), WithJsonSchema(WHEN_SCHEMA)]
Rating = Annotated[float, BeforeValidator(as_number), Field(allow_inf_nan=False)]
Top = Annotated[int, BeforeValidator(as_whole), Field(ge=1, le=MOST_ITEMS, description="how many items a list has")]


def _example(content: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [content]})


class Pair(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    user: Id
    item: Id


class TimedPair(Pair):
    time: When | None = Field(default=None, description="when it is rated: for models fitted with time alone")


class PredictRequest(BaseModel):
    model_config = _example({"pairs": [{"user": "196", "item": "242"}, {"user": 186, "item": 302}]})
    pairs: list[TimedPair] = Field(min_length=1, max_length=MOST_PAIRS)


class RecommendRequest(BaseModel):
    model_config = _example({"users": ["196", "186"], "n": 5, "seen": [{"user": "196", "item": "242"}]})
    users: list[Id] = Field(min_length=1, max_length=MOST_USERS)
    n: Top = 10
    seen: list[Pair] = Field(default=[], max_length=MOST_PAIRS, description="pairs to leave out: the model keeps none")
    at: When | None = Field(default=None, description="when items are rated: for models fitted with time alone")


class SimilarRequest(BaseModel):
    model_config = _example({"item": "242", "n": 5})
    item: Id
    n: Top = 10


class Rated(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    item: Id
    rating: Rating


class FoldInRequest(BaseModel):
    model_config = _example({"ratings": [{"item": "242", "rating": 4}], "items": ["302"], "n": 5})
    ratings: list[Rated] = Field(min_length=1, max_length=MOST_PAIRS, description="of one new user")
    items: list[Id] = Field(default=[], max_length=MOST_PAIRS, description="items to rate for this user")
    n: Top = 10
    at: When | None = Field(default=None, description="when items are rated: for models fitted with time alone")


class RatedPair(Pair):
    rating: Rating


class FoldInTableRequest(BaseModel):
    model_config = _example(
        {
            "ratings": [
                {"user": "new user", "item": "242", "rating": 4},
                {"user": "196", "item": "new item", "rating": 5},
            ],
            "pairs": [{"user": "new user", "item": "new item"}],
            "n": 5,
        }
    )
    ratings: list[RatedPair] = Field(
        min_length=1, max_length=MOST_PAIRS, description="each with a new user, a new item or both"
    )
    known_ids: Literal["error", "drop", "again"] = Field(
        default="error",
        description="ratings of a known user and a known item: refused, left out, or the user's row is found again",
    )
    pairs: list[TimedPair] = Field(default=[], max_length=MOST_PAIRS, description="pairs to rate")
    users: list[Id] = Field(default=[], max_length=MOST_USERS, description="who gets a list; empty: the new users")
    n: Top = 10
    at: When | None = Field(default=None, description="when items are rated: for models fitted with time alone")


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())
    model: str = Field(description="which bundle has answered: the start of the SHA-256 of its config.json")


class Prediction(BaseModel):
    prediction: float
    known_user: bool = Field(description="false: rated as the mean of the known users")
    known_item: bool = Field(description="false: rated as the mean of the known items")


class PredictAnswer(Answer):
    predictions: list[Prediction] = Field(description="in the order of the pairs")


class Recommended(BaseModel):
    rank: int
    item: str
    rating: float


class RecommendedList(BaseModel):
    user: str
    known_user: bool = Field(description="false: the list is that of a new user")
    items: list[Recommended] = Field(description="best first, without seen ones")


class RecommendAnswer(Answer):
    recommendations: list[RecommendedList] = Field(description="in the order of the users")
    seen_ignored: int = Field(description="seen pairs of users that were not asked for, or of unknown items")


class Similar(BaseModel):
    rank: int
    item: str
    similarity: float = Field(description="the cosine of the items' vectors less their mean")


class SimilarAnswer(Answer):
    item: str
    known_item: bool = Field(description="false: the model has no rating of it, and so no list")
    similar: list[Similar] = Field(description="nearest first")


class ItemPrediction(BaseModel):
    item: str
    prediction: float
    known_item: bool


class FoldInAnswer(Answer):
    predictions: list[ItemPrediction] = Field(description="in the order of `items`")
    recommendations: list[Recommended] = Field(description="best first, without rated ones")
    used_ratings: int = Field(description="ratings of different known items, from which the user's row was found")
    unknown_items: list[str] = Field(description="rated items that the model does not know, which say nothing")


class FoldInTableAnswer(Answer):
    predictions: list[Prediction] = Field(description="in the order of `pairs`")
    recommendations: list[RecommendedList] = Field(description="without rated items")
    new_users: list[str]
    new_items: list[str]


class Health(BaseModel):
    model_config = ConfigDict(protected_namespaces=())
    status: str = Field(description="ok")
    model: str
    architecture: str
    users: int
    items: int
    last_reload: str = Field(description="none, swapped, unchanged, or failed: then the model of before answers")


class Problem(BaseModel):
    detail: str = Field(description="one sentence")
