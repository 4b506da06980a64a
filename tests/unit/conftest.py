"""Settings of every unit test."""

from hypothesis import settings

# On a busy machine a slow example is no finding; a bound on time is asserted where it matters.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
