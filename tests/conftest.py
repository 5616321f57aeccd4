"""Fixtures every room may use. A test that lacks what it needs is skipped on a contributor's machine and fails under CI."""

pytest_plugins = [
    "tests.fixtures.azurite",
    "tests.fixtures.emulator",
    "tests.fixtures.mounts",
]
