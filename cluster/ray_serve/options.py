"""What the cluster is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    address: str  # auto, HOST:PORT or ray://HOST:PORT
    replicas: int
    cpus: float  # that each replica reserves
