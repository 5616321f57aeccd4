"""The kernel's limits where they cannot be set: the log says which figure stays."""

import logging

from mountd.fuse import kernel_tuning
from mountd.fuse.config import MountConfig
from mountd.fuse.mountinfo import Mount


def test_a_limit_that_may_not_be_set_is_named_with_the_figure_that_stays(tmp_path, monkeypatch, caplog):
    (tmp_path / "read_ahead_kb").write_text("128\n")
    real = kernel_tuning.os.open

    def refuse(path, flags, *, dir_fd=None):
        if flags & kernel_tuning.os.O_WRONLY:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(kernel_tuning.os, "open", refuse)
    accepted = {}
    with caplog.at_level(logging.INFO, kernel_tuning.log.name):
        kernel_tuning._set(accepted, "read_ahead_kb", 1024, str(tmp_path))
    assert accepted == {}
    assert caplog.messages == ["the kernel keeps read_ahead_kb at 128 for this mount, not 1024: Permission denied"]


def test_without_fusectl_the_log_says_what_the_kernel_keeps(monkeypatch, caplog):
    def nowhere():
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(kernel_tuning, "mount_at", lambda place: Mount("0:99", place, "fuse.mountd", "mountd"))
    monkeypatch.setattr(kernel_tuning, "fusectl", nowhere)
    with caplog.at_level(logging.INFO, kernel_tuning.log.name):
        assert kernel_tuning.tune("/mnt", MountConfig(read_ahead=0)) == {}
    assert caplog.messages == [
        "fusectl is not to be had here (Operation not permitted): "
        "the kernel keeps max_background at 12 and congestion_threshold at 9"
    ]
