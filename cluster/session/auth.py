"""Ray's token authentication, in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


TOKEN = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
