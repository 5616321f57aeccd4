"""The table of errnos and the closed list of errors are the same set."""

import errno
import inspect

import pytest

from mountd import errors
from mountd.fuse.errnos import ERRNOS, errno_of

CLOSED = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.MountdError)]


def test_each_error_has_one_errno_and_nothing_else_has_one():
    assert set(ERRNOS) == set(CLOSED)


@pytest.mark.parametrize("error", CLOSED, ids=lambda error: error.__name__)
def test_an_errno_is_one_that_linux_knows_and_none_that_breaks_the_mount(error):
    instance = error(["a: b"]) if error is errors.ConfigurationInvalid else error("A sentence.")
    code = errno_of(instance)
    assert code in errno.errorcode
    # ENOSYS would make the kernel stop asking for the operation altogether.
    assert code != errno.ENOSYS


def test_only_a_storage_that_said_so_means_that_there_is_none():
    """SEMANTICS 7: "I could not find out" is never ENOENT."""
    assert {error for error, code in ERRNOS.items() if code == errno.ENOENT} == {errors.NotFound, errors.NoEntry}


def test_a_class_without_a_row_has_its_parents():
    class Newer(errors.Stale):
        pass

    assert errno_of(Newer("A sentence.")) == errno.ESTALE
