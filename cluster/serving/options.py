"""What the service is started with."""

from dataclasses import dataclass, field

from reeltune.trainables.architectures.kept_source import NO_SOURCE, OwnSource

LOOPBACK = ("127.0.0.1", "::1", "localhost")
BODY_LIMIT = 8 << 20  # bytes of a request's body: 10,000 pairs whose ids have 400 characters
KEY_HEADER = "X-API-Key"


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    model: str  # a bundle's path or URI
    host: str
    port: int  # 0: any free one
    drain: float  # seconds that requests have to finish in after SIGTERM
    api_key: str | None = field(default=None, repr=False)  # None: whoever reaches the address may ask
    key_in_shell: str = ""  # how a shell gets at the key, which is never printed
    reload_every: float | None = None  # seconds between two looks for another bundle; None: at SIGHUP alone
    own: OwnSource = NO_SOURCE

    @property
    def here_alone(self) -> bool:
        """Whether only this machine can reach the address."""
        return self.host in LOOPBACK
