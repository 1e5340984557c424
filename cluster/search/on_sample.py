"""Adapts a configuration for all rows to the sample of users that a search trial fits on.

Studies, the ledger and reports have configurations for all rows, so that the best of them is confirmed and refitted
as it is. Only a search trial's own fit has another one, of as many steps an epoch.
"""

from collections.abc import Callable, Mapping

from reeltune.cluster.search.messages import Config
from reeltune.search_spaces import Size, Space, carried
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.data.shape import Shape

Adapt = Callable[[str, Config], Config]  # an architecture's name and its configuration, to the one for the sample


def adapter(declared: Mapping[str, Space], registry: Registry, *, whole: Shape, sample: Shape) -> Adapt:
    """What adapts configurations for data of the shape `whole` to the `sample`. Spaces are as declared."""

    def adapt(name: str, config: Config) -> Config:
        architecture, space = registry[name], declared[name]
        there, here = (architecture.reference(shape).as_json() for shape in (whole, sample))
        if config != there:
            found = carried(
                config,
                searched=space.on(whole, architecture),
                space=space,
                was=Size.of(whole),
                shape=sample,
                architecture=architecture,
            )
            if found is not None:
                return found
        # The reference, or what no draw from the space would be: what it has of the reference, it has here too.
        return {key: here[key] if value == there.get(key) else value for key, value in config.items()}

    return adapt
