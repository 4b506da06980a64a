"""The profile of a registry: lessons for the next conversation with it.

- Auth methods are learnt per protection space (RFC 9110, 11.5): an origin, and a repository in it.
  A repository that was not asked before is tried with the method that worked last at its origin,
  unless the repositories there differ. A method that failed is forgotten.
- Whether HEAD tells a digest is learnt per project, the first part of a repository's name: a
  registry's proxied projects differ from its own. HEAD is given up after twice in vain in a row,
  at once where the registry says that it does not do it, and tried again after `GETS_WITHOUT_HEAD`.
- An API root (`/v2/`) that asked for nothing is taken at its word `ROOT_USES` times.

Everything is bounded by `MOST_KEPT`; what was learnt longest ago goes first.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_resolver.core.site import AuthMethod, Bearer
from imagedrift_resolver.core.url import Origin

ProtectionSpace: TypeAlias = tuple[Origin, str]
MOST_KEPT: Final = 512
ROOT_USES: Final = 32
IN_VAIN: Final = 2
GETS_WITHOUT_HEAD: Final = 100

K = TypeVar("K")
V = TypeVar("V")


class RegistryProfile(Struct, frozen=True):
    """How a registry is asked best. A conversation returns the profile that it changed."""

    auth_methods: dict[ProtectionSpace, AuthMethod] = {}
    """How to be let in; under an empty name, the auth method that worked last at an origin."""
    roots: dict[Origin, int] = {}
    """How many more refusals are believed because the API root asked for nothing."""
    vain: dict[str, int] = {}
    """Projects in which HEAD was in vain, and how often; from `IN_VAIN` on, GETs without it."""
    tested: frozenset[ProtectionSpace] = frozenset()
    """Where this conversation has already tried whether a 403 is the auth method's fault."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        told = sum(
            len(auth.realm.target)
            for auth in self.auth_methods.values()
            if isinstance(auth, Bearer)
        )
        return (
            4000 + told + 1500 * len(self.auth_methods) + 600 * (len(self.roots) + len(self.vain))
        )

    def auth_method_of(self, space: ProtectionSpace) -> AuthMethod | None:
        """Return how a space lets us in, as far as that is known."""
        known = self.auth_methods.get(space)
        if known is not None:
            return known
        guess = self.auth_methods.get((space[0], ""))
        return None if guess is None or self._differ(space[0]) else guess

    def with_auth_method(
        self, space: ProtectionSpace, auth: AuthMethod, instead_of: AuthMethod | None = None
    ) -> "RegistryProfile":
        """Remember how a space lets us in, and try that first at its origin."""
        general, default = _general(auth), (space[0], "")
        known = instead_of or self.auth_methods.get(default)
        other = known is not None and _general(known) != general
        changed: dict[ProtectionSpace, AuthMethod] = {default: general}
        if other or auth != general or space in self.auth_methods or self._differ(space[0]):
            changed[space] = auth
        learnt = replace(
            self, auth_methods=_bounded(_without(self.auth_methods, *changed) | changed)
        )
        return learnt.without_root(space[0]) if other else learnt

    def without_auth_method(self, space: ProtectionSpace) -> "RegistryProfile":
        """Forget the auth method of a space: it has failed."""
        key = space if space in self.auth_methods else (space[0], "")
        return replace(self, auth_methods=_without(self.auth_methods, key)).without_root(space[0])

    def without_root(self, origin: Origin) -> "RegistryProfile":
        """Ask the API root again when it matters."""
        return replace(self, roots=_without(self.roots, origin)) if self.roots else self

    def with_root(self, origin: Origin, uses: int) -> "RegistryProfile":
        """Remember an API root that asked for nothing, and how often that is still believed."""
        return replace(self, roots=_bounded(_without(self.roots, origin) | {origin: uses}))

    def with_tested(self, space: ProtectionSpace) -> "RegistryProfile":
        """Note that a 403 was looked into, for the rest of this conversation."""
        return replace(self, tested=self.tested | {space})

    def does_head(self, repository: str) -> bool:
        """Tell whether HEAD is worth a request."""
        return not self.vain or self.vain.get(project_of(repository), 0) < IN_VAIN

    def with_head(
        self, repository: str, *, in_vain: bool, certain: bool = False
    ) -> "RegistryProfile":
        """Learn from a HEAD: it told the digest, or left it to a GET, or (certain) is not done."""
        project = project_of(repository)
        times = self.vain.get(project, 0)
        if not in_vain:
            return replace(self, vain=_without(self.vain, project)) if times else self
        return self._with_vain(project, max(times + 1, IN_VAIN if certain else 0))

    def without_head(self, repository: str, *, found: bool) -> "RegistryProfile":
        """Learn from a GET that no HEAD went before: one that found nothing makes HEAD doubtful."""
        project = project_of(repository)
        times = self.vain.get(project, 0) + 1
        again = not found or times >= GETS_WITHOUT_HEAD
        return self._with_vain(project, IN_VAIN - 1 if again else times)

    def joined(self, base: "RegistryProfile", learnt: "RegistryProfile") -> "RegistryProfile":
        """Add the lessons of a conversation that began with `base`, and take away those it lost."""
        if learnt is base:
            return self
        return RegistryProfile(
            _joined(self.auth_methods, base.auth_methods, learnt.auth_methods),
            _joined(self.roots, base.roots, learnt.roots),
            _joined(self.vain, base.vain, learnt.vain),
        )

    def _with_vain(self, project: str, times: int) -> "RegistryProfile":
        return replace(self, vain=_bounded(_without(self.vain, project) | {project: times}))

    def _differ(self, origin: Origin) -> bool:
        auth_methods = {
            _general(w) for (at, name), w in self.auth_methods.items() if at == origin and name
        }
        return len(auth_methods) > 1


def project_of(repository: str) -> str:
    """Return the first part of a repository's name, or nothing where it has one part only."""
    project, slash, _ = repository.partition("/")
    return project if slash else ""


def _general(auth: AuthMethod) -> AuthMethod:
    """Return the auth method of one repository as far as it goes for others."""
    return replace(auth, scope="") if isinstance(auth, Bearer) and auth.scope else auth


def _without(known: Mapping[K, V], *keys: K) -> dict[K, V]:
    return {key: value for key, value in known.items() if key not in keys}


def _bounded(known: dict[K, V]) -> dict[K, V]:
    for key in list(known)[: max(0, len(known) - MOST_KEPT)]:
        del known[key]
    return known


def _joined(now: dict[K, V], base: dict[K, V], learnt: dict[K, V]) -> dict[K, V]:
    if learnt is base or learnt == base:
        return now
    gone = {key for key in base.keys() - learnt.keys() if now.get(key) == base[key]}
    new = {key: value for key, value in learnt.items() if base.get(key) != value}
    return _bounded(_without(now, *gone, *new) | new)
