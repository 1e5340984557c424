"""What we tell the user about Ray's token. Apart from the rest, as whoever needs it may not want to import Ray."""

TOKEN = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
