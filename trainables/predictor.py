"""A fitted model that rates pairs by their own ids: a loaded bundle."""

import copy
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from reeltune.trainables.architectures import ensemble
from reeltune.trainables.data.columns import Columns
from reeltune.trainables.data.ids import Ids
from reeltune.trainables.description import KEPT_COLUMNS, Description
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.folded import folded
from reeltune.trainables.folding.newcomers import Known, KnownIds, NewRatings, new_ratings
from reeltune.trainables.folding.prior import WIDEST
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.decoders import Decoder, decode
from reeltune.trainables.scoring.metrics import predict_as
from reeltune.trainables.scoring.spread import FEWEST

# A bundle's file for new users and items; not in bundles of versions before 0.2, nor of all architectures.
PRIORS = "priors.safetensors"

PAIRS = 8_192  # rated at once: what each step makes of them stays in a processor's cache


class Predictor:
    """A loaded bundle.

    `user_ratings` and `item_ratings` hold, by index, how many ratings of each user and item were fitted. `added` are
    the ratings of new users and items that one `folded` after the other has added: their indices stay as they are.
    """

    added: tuple[NewRatings, ...] = ()

    def __init__(
        self,
        description: Description,
        model: RatingModel,
        *,
        users: Ids,
        items: Ids,
        user_ratings: np.ndarray,
        item_ratings: np.ndarray,
        priors: dict[str, torch.Tensor] | None = None,
    ) -> None:
        self.description = description
        self.model = model
        self.users, self.user_ratings = users, user_ratings
        self.items, self.item_ratings = items, item_ratings
        self.scale = description.scale()
        self.priors = priors or {}

    def folded(self, ratings: pd.DataFrame, *, source: str, known_ids: KnownIds = "error") -> Self:
        """This predictor with the new users and items of these ratings, without a fit; itself it stays as it is.

        `ratings` has text ids `user` and `item` and a float `rating`, and `source` is what errors call it. Each new
        user gets a row from the ratings of known items, and then each new item from those of known and new users.
        Raises InputError where the model cannot do that, or as `new_ratings`.
        """
        self._check_priors()
        known = Known(
            users=self.users, items=self.items, user_ratings=self.user_ratings, item_ratings=self.item_ratings
        )
        found = new_ratings(ratings, known, self.scale, source, known_ids)
        with_users = folded(self.model, self.priors, found.for_users())
        grown = copy.copy(self)
        grown.model = folded(with_users, self.priors, found.for_items())
        grown.users, grown.items, grown.added = found.users, found.items, (*self.added, found)
        grown.user_ratings, grown.item_ratings = found.counts()
        return grown

    @property
    def newcomers(self) -> NewRatings | None:
        """What the last `folded` has added; None of a predictor as it was loaded."""
        return self.added[-1] if self.added else None

    def _check_priors(self) -> None:
        """Raise InputError where new ids cannot get rows."""
        fits = [self.model] if not isinstance(self.model, ensemble.Model) else self.model.fits()
        lacking = sum(fit.id_rows() is None for fit in fits)
        if lacking:
            raise InputError(
                f"{self.description.architecture}: takes no new users or items without a fit, since "
                f"{'it' if len(fits) == 1 else f'{lacking} of its {len(fits)} fits'} has no rows of ids (`id_rows` and "
                "`rate_rows`, docs/own-architectures.md): fit again with their ratings"
            )
        if not self.priors:
            raise InputError(
                f"{self.description.architecture}: takes no new users or items without a fit, since its bundle has no "
                f"{PRIORS}, as those of reeltune 0.2.0 and before, of rows wider than {WIDEST:,}, and of one user's or "
                "one item's ratings alone: fit again"
            )

    @property
    def column_names(self) -> Columns:
        """The names that users, items, ratings and times had in its data; None where the bundle does not say."""
        data = self.description.fitted_on
        return Columns() if data is None else Columns(**{kind: data.columns.get(kind) for kind in KEPT_COLUMNS})

    @property
    def timed(self) -> bool:
        """Whether `predict` needs the pairs' times."""
        return self.model.timed

    def predict(
        self, users: Any, items: Any, times: np.ndarray | None = None, *, decoder: Decoder | None = None
    ) -> np.ndarray:
        """Rate n pairs, given as n users and n items by their own ids (text or whole numbers): shape (n,).

        An id that the training data lacks is rated as 'unknown'; `unknown` counts them. `times` are in seconds since
        1970; a `timed` model raises InputError without them. `decoder` replaces the bundle's own. As many
        users as items, and as many times, are asked for: InputError is raised at others.
        """
        return self.predict_indices(self.users.encode(users), self.items.encode(items), times, decoder=decoder)

    def predict_indices(
        self,
        users: np.ndarray,
        items: np.ndarray,
        times: np.ndarray | None = None,
        *,
        decoder: Decoder | None = None,
    ) -> np.ndarray:
        """As `predict`, by index: 0 is unknown."""
        by = decoder or self.description.decoder
        return self._read(users, items, times, lambda output, _: self._decoded(output, by)).numpy()

    def interval_indices(
        self, users: np.ndarray, items: np.ndarray, times: np.ndarray | None = None, *, decoder: Decoder | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ratings by index, shape (n,), and the ends of their intervals, shape (n, 4), as `spread.COLUMNS` names them.

        Raises InputError where the bundle has none.
        """
        spread = self.description.spread
        if spread is None:
            raise InputError(
                f"--intervals: the bundle of this {self.description.architecture} has none, as those of earlier "
                f"versions and of fits with fewer than {FEWEST} held-out ratings: fit again, with that many held out"
            )
        by = decoder or self.description.decoder

        def read(output: torch.Tensor, _: slice) -> torch.Tensor:
            return torch.stack([self._decoded(output, by), self._decoded(output, "mean")], 1)

        both = self._read(users, items, times, read).numpy()
        known = self.user_ratings[users], self.item_ratings[items]
        return both[:, 0], spread.intervals(both[:, 1], known, self.scale)

    def rank_indices(
        self, users: np.ndarray, items: np.ndarray, times: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ratings by index, and a second value that ranks pairs of equal rating, both of shape (n,).

        The second is a class head's mean, or a scalar head's value before it is clipped to the scale.
        """
        both = self._read(users, items, times, lambda output, _: torch.stack(self.ranked(output), 1))
        return both[:, 0].numpy(), both[:, 1].numpy()

    def ranked(self, output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `rank_indices`, of what the model gave for n pairs."""
        finer = output if self.model.grid is None else self._decoded(output, "mean")
        return self._decoded(output, self.description.decoder), finer

    def _read(
        self,
        users: np.ndarray,
        items: np.ndarray,
        times: np.ndarray | None,
        read: Callable[[torch.Tensor, slice], torch.Tensor],
    ) -> torch.Tensor:
        if len(users) != len(items):
            raise InputError(f"{len(users):,} users and {len(items):,} items make no pairs: give as many of both")
        if times is not None and len(times) != len(users):
            raise InputError(f"{len(times):,} times and {len(users):,} pairs: give as many of both")
        seconds = None if times is None else torch.tensor(times).long()
        pairs = torch.tensor(users).long(), torch.tensor(items).long()
        return predict_as(self.model, *pairs, seconds, read, chunk=PAIRS)

    def _decoded(self, output: torch.Tensor, decoder: Decoder) -> torch.Tensor:
        return decode(output, self.model.grid, self.scale, decoder=decoder, temperature=self.description.temperature)

    def unknown(self, users: Any, items: Any) -> tuple[int, int]:
        """How many of these users, and of these items, have no fitted rating."""
        return self.unknown_indices(self.users.encode(users), self.items.encode(items))

    def unknown_indices(self, users: np.ndarray, items: np.ndarray) -> tuple[int, int]:
        """As `unknown`, by index."""
        without_users, without_items = self.unknown_rows(users, items)
        return int(without_users.sum()), int(without_items.sum())

    def unknown_rows(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of these users, and which of these items, by index, have no fitted rating; each of shape (n,)."""
        return self.user_ratings[users] == 0, self.item_ratings[items] == 0
