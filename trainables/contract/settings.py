"""Clauses on the configuration and the reference."""

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from reeltune.trainables.contract.subject import Subject, expect
from reeltune.trainables.contract.worlds import STARS
from reeltune.trainables.data.shape import Shape

UNUSABLE: dict[str, object] = {"learning_rate": 0, "epochs": 0, "batch_size": 1}
BEYOND = (-1e30, 1e30, float("nan"))


def refuses_what_it_does_not_know(subject: Subject) -> None:
    expect(not _takes(subject, no_such_field=1), "`Config` takes a field that it does not have: derive it from ours")


def refuses_what_nothing_can_be_trained_with(subject: Subject) -> None:
    for name, value in UNUSABLE.items() if subject.trained else ():
        expect(not _takes(subject, **{name: value}), f"`Config` takes {name} = {value}, and must refuse it")


def every_number_has_bounds(subject: Subject) -> None:
    for name, field in subject.architecture.Config.model_fields.items():
        for value in BEYOND if field.annotation in (int, float) else ():
            expect(not _takes(subject, **{name: value}), f"`Config` takes {name} = {value}: give it ge, gt, le or lt")


def every_field_has_a_default_and_a_description(subject: Subject) -> None:
    for name, field in subject.architecture.Config.model_fields.items():
        expect(not field.is_required(), f"`Config.{name}` has no default")
        expect(bool(field.description), f"`Config.{name}` has no description")


def the_reference_is_valid_for_data_of_any_size(subject: Subject) -> None:
    architecture = subject.architecture
    for rows in (2, 10, 10_000_000):
        shape = Shape(users=rows, items=rows, scale=STARS, ratings=10 * rows)
        found = architecture.reference(shape)
        expect(isinstance(found, architecture.Config), f"`reference` gave {type(found).__name__}, expected a Config")
        try:
            same = architecture.Config.model_validate(found.as_json()) == found
        except (ValidationError, PydanticSerializationError):
            same = False
        expect(same, f"`reference` for {rows} users and items is no valid Config: {found!r}")


def _takes(subject: Subject, **values: object) -> bool:
    try:
        subject.architecture.Config.model_validate(values)
    except ValidationError:
        return False
    return True
