"""Whether a registry is asked about a reference.

| reference                                             | policy          |
|-------------------------------------------------------|-----------------|
| named by digest                                       | `pinned`        |
| of a registry whose name means each host its own one  | `machine_bound` |
| the same, but `registries.toml` names the registry    | `ask`           |
| any other                                             | `ask`           |
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.registry_name import RegistryName

Policy: TypeAlias = Literal["ask", "pinned", "machine_bound"]


def policy_of(reference: ImageReference, is_named: Callable[[str], bool]) -> Policy:
    """Tell whether a registry is asked about the reference."""
    if reference.is_pinned:
        return "pinned"
    return policy_of_tags(RegistryName(reference.registry), is_named)


def policy_of_tags(registry: RegistryName, is_named: Callable[[str], bool]) -> Policy:
    """Tell whether a registry is asked about its references that are named by tag."""
    bound = registry.is_machine_bound and not is_named(registry.text)
    return "machine_bound" if bound else "ask"
