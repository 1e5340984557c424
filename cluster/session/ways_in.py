"""What we tell the user about the ways into a cluster. Apart from the rest, as `submit` does not import Ray for it."""

CLIENT = "ray://"
CLIENT_PORT, CLUSTER_PORT, DASHBOARD_PORT = 10001, 6379, 8265  # Ray's own choice
LOOPBACK = f"http://127.0.0.1:{DASHBOARD_PORT}"
TOKEN = (
    "put its token in ~/.ray/auth_token, RAY_AUTH_TOKEN or the file of RAY_AUTH_TOKEN_PATH, and set RAY_AUTH_MODE=token"
)


def forwarding(host: str, port: int = DASHBOARD_PORT) -> str:
    """The command by which another machine reaches a dashboard that listens on the loopback address of `host`."""
    return f"ssh -N -L {DASHBOARD_PORT}:127.0.0.1:{port} {host}"
