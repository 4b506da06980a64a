"""Which registries are asked at all: decided by name, before any name is resolved.

An image can be named by anybody who can name one on a host, so a name is not yet a permission.
What the operator named in `registries.toml` is; of the rest, names that mean another machine on
every host are never asked, nor ports that belong to other services.
"""

from typing import Final

from imagedrift_resolver.core.finding import AnyQuestion
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.network_address import address_fault
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.registry_name import RegistryName
from imagedrift_schemas.v1 import Describe, List

LOWEST_FREE_PORT: Final = 1024


def question_fault(question: AnyQuestion) -> str:
    """Return the fault of a question's reference, or nothing."""
    text = f"{question.registry}/{question.repository}{_of_repository(question)}"
    try:
        reference = ImageReference.parse(text)
    except BadReference as error:
        return str(error)
    meant = (reference.registry, reference.repository)
    if meant != (question.registry, question.repository):
        return f"reference {text[:160]!a}: its normal form is {reference.canonical[:160]!a}"
    return ""


def _of_repository(question: AnyQuestion) -> str:
    if isinstance(question, List):
        return ""
    return f"@{question.digest}" if isinstance(question, Describe) else f":{question.tag}"


def registry_fault(registry: str, *, named: bool, allowed: bool) -> str:
    """Return why a registry is not asked, or nothing. `named`: it stands in `registries.toml`."""
    if named:
        return ""
    if not allowed:
        return 'only registries named in registries.toml are asked (policy = "deny")'
    name = RegistryName.parse(registry)
    if name.is_machine_bound:
        return f"{registry} means another machine on every host: name it in registries.toml"
    if name.port is not None and name.port != 443 and name.port < LOWEST_FREE_PORT:
        return f"port {name.port} belongs to another service: name {registry} in registries.toml"
    host = name.host
    if host.startswith("[") or host.replace(".", "").isdigit():
        fault = address_fault(host.strip("[]"))
        return f"{registry} {fault}: name it in registries.toml" if fault else ""
    return ""
