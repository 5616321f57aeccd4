"""Fixtures every room may use. A test that lacks what it needs is skipped on a contributor's machine and fails under CI."""

from hypothesis import settings

# The same examples in every run; no time limit for one, since other tests share the processor.
settings.register_profile("mountd", derandomize=True, database=None, deadline=None)
settings.load_profile("mountd")

pytest_plugins = [
    "tests.fixtures.required",
    "tests.fixtures.azurite",
    "tests.fixtures.daemons",
    "tests.fixtures.emulator",
    "tests.fixtures.mounts",
]
