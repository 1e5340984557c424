"""The copies that a run keeps of own architectures' sources. Nothing runs them: they are there to read and compare."""

from reeltune.cluster.runs.folder import RunFolder, write_text
from reeltune.trainables.architectures.registry import Registry


def keep_sources(registry: Registry, folder: RunFolder) -> None:
    """Write a copy of each own architecture's source."""
    for name, source in registry.sources.items():
        folder.source(name).parent.mkdir(exist_ok=True)
        write_text(folder.source(name), source.text)
