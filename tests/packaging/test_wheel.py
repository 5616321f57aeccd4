"""The wheel, installed into empty environments: the client alone, and the node."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from mountd.emulator import Emulator
from tests.fixtures.required import unavailable

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"


def run(*command, check=True, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, check=False, **options
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def environment(folder, *requirements):
    venv.create(folder, with_pip=True, symlinks=True)
    pip = folder / "bin" / "pip"
    done = run(pip, "install", "-q", "--disable-pip-version-check", "-c", CONSTRAINTS, *requirements, check=False)
    if done.returncode and "No matching distribution" in done.stderr:
        unavailable("the package index cannot be reached: pip needs it")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_base_install_is_the_client_alone(wheel, tmp_path):
    commands = environment(tmp_path / "client", wheel)
    installed = run(commands / "pip", "list", "--format=freeze").stdout.lower()
    for heavy in ("trio", "pyfuse3", "azure", "obstore", "lxml", "fastapi", "cryptography"):
        assert heavy not in installed
    nowhere = run(commands / "mountctl", "--socket", tmp_path / "none", "status", check=False)
    assert nowhere.returncode == 3
    assert len(nowhere.stderr.strip().splitlines()) == 1
    run(commands / "python", "-c", "from mountd.sdk import Workspace, Datastore")
    refused = run(commands / "mountd", "serve", "--config", tmp_path / "none.yaml", check=False)
    assert refused.returncode != 0
    assert "mountd[daemon]" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
@pytest.mark.fuse
@pytest.mark.usefixtures("_fuse")
@pytest.mark.timeout(300)
def test_daemon_extra_is_the_node(wheel, tmp_path):
    commands = environment(tmp_path / "node", f"mountd[daemon] @ file://{wheel}")
    config = tmp_path / "config.yaml"
    (tmp_path / "mnt").mkdir()
    config.write_text(f"mountpoint: {tmp_path}/mnt\nstate_dir: {tmp_path}/state\ncache_dir: {tmp_path}/cache\n")
    run(commands / "mountd", "check", config)
    with Emulator() as emulator:
        emulator.container("data").put("hello.txt", b"from the wheel")
        source, key = f"{emulator.endpoint}/data", {"AZURE_STORAGE_KEY": emulator.key}
        places = ("--state-dir", tmp_path / "s", "--cache-dir", tmp_path / "c")
        run(commands / "mountd", "mount", source, tmp_path / "mnt", "--allow-http", *places, env={**os.environ, **key})
        try:
            assert (tmp_path / "mnt" / "hello.txt").read_bytes() == b"from the wheel"
        finally:
            run(commands / "mountd", "unmount", tmp_path / "mnt")
