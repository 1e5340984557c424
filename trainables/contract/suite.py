"""The table of clauses, and what came of each."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.architectures.source import described
from reeltune.trainables.contract import fits, outputs, settings, workers
from reeltune.trainables.contract.subject import Broken, Subject
from reeltune.trainables.errors import one_line

# In the order in which they are checked. A clause's name is its function's, in words.
CLAUSES: tuple[Callable[[Subject], None], ...] = (
    settings.refuses_what_it_does_not_know,
    settings.refuses_what_nothing_can_be_trained_with,
    settings.every_number_has_bounds,
    settings.every_field_has_a_default_and_a_description,
    settings.the_reference_is_valid_for_data_of_any_size,
    outputs.shapes_are_right_on_every_scale,
    outputs.the_loss_is_the_mean_over_rows,
    outputs.the_losses_of_rows_are_those_of_the_loss,
    outputs.every_parameter_has_a_gradient_and_a_group,
    outputs.a_pair_is_rated_alike_whatever_is_beside_it,
    outputs.a_rating_draws_no_random_numbers,
    outputs.a_model_takes_times_where_its_configuration_says,
    outputs.item_vectors_are_a_row_for_each_item_or_none,
    fits.learns_a_pattern_that_no_mean_can,
    fits.every_user_and_item_changes_what_is_rated,
    fits.the_same_seed_gives_the_same_fit,
    fits.a_fit_taken_up_again_ends_as_one_that_ran_through,
    fits.ids_without_a_rating_are_rated_alike_and_near_the_mean,
    fits.giving_them_means_changes_no_rating_of_others,
    fits.a_served_model_rates_as_the_fitted_one_and_needs_nothing_else,
    fits.all_items_at_once_are_rated_as_pairs_are_after_a_fit,
    fits.rows_of_ids_rate_as_their_indices_do,
    workers.two_workers_fit_what_one_fits,
)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of a clause; `wrong` is None where it holds."""

    clause: str
    wrong: str | None
    seconds: float


def check(registry: Registry, name: str) -> Iterator[Checked]:
    """Check an architecture, clause by clause. Raises InputError where it cannot be run at all."""
    subject = Subject(registry=registry, name=name)
    assert subject.architecture.Config  # a source that cannot be run has no clauses
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of several threads come in any order, and bits differ with it
    try:
        for clause in CLAUSES:
            start = time.monotonic()
            wrong = found_wrong(clause, subject)
            yield Checked(clause=in_words(clause), wrong=wrong, seconds=time.monotonic() - start)
    finally:
        torch.set_num_threads(threads)


def in_words(clause: Callable[[Subject], None]) -> str:
    return clause.__name__.replace("_", " ")


def found_wrong(clause: Callable[[Subject], None], subject: Subject) -> str | None:
    """What a clause finds wrong; None if it holds."""
    try:
        clause(subject)
    except Broken as broken:
        return str(broken)
    except Exception as error:  # noqa: BLE001  whatever somebody's own code raises is what is wrong with it
        return one_line(described(error))
    return None
