#!/usr/bin/env bash
# Brings a machine to where mountd builds, runs and is tested: says what is missing, installs it, or names what it may not.
#   deploy/setup.sh system run|test    Debian packages (with sudo where not root)
#   deploy/setup.sh python EXTRAS      .venv with mountd[EXTRAS], editable, at the versions of deploy/constraints.txt
#   deploy/setup.sh azurite            the Azurite emulator, from npm, into .build/azurite
# Each does nothing where nothing is missing. PYTHON chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
azurite_version=3.37.0

say() { printf 'setup: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

missing_packages() {
    has "$python" || echo python3
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    "$python" - <<'PY' 2>/dev/null || echo python3-dev
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
PY
    has fusermount3 || echo fuse3
    has pkg-config || echo pkg-config
    { has pkg-config && pkg-config --exists fuse3; } || echo libfuse3-dev
    has cc || echo gcc
    echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1 || echo libc6-dev
    if [ "$1" = test ]; then
        has npm || echo nodejs npm
        has git || echo git
        has systemd-analyze || echo systemd
        has ps || echo procps
    fi
}

system() {
    local packages
    packages=$(missing_packages "$1" | tr '\n' ' ')
    [ -n "${packages// /}" ] || { check_python; return; }
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo)
        if ! has sudo || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
            say "these Debian packages are missing, and installing them needs root: $packages"
            say "ask an administrator for: apt-get install $packages"
            exit 1
        fi
    fi
    if ! has apt-get; then
        say "this is no Debian or Ubuntu; install the equivalents of: $packages"
        exit 1
    fi
    say "installing Debian packages: $packages"
    "${as_root[@]}" apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    check_python
}

check_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        say "$("$python" --version) is too old: mountd needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"
        exit 1
    }
}

python_environment() {
    local stamp=.venv/.installed wanted
    wanted=$(cat pyproject.toml deploy/constraints.txt | sha256sum | cut -c1-16)
    if [ -x .venv/bin/python ] && grep -qsx "$wanted $1" "$stamp"; then
        return
    fi
    say "installing mountd[$1] into .venv"
    [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; "$python" -m venv .venv; }
    .venv/bin/python -m pip install -q --disable-pip-version-check --constraint deploy/constraints.txt --editable ".[$1]"
    grep -qs "^$wanted " "$stamp" || : >"$stamp"
    echo "$wanted $1" >>"$stamp"
}

azurite() {
    [ -z "${MOUNTD_AZURITE:-}" ] || return 0
    if [ -x .build/azurite/node_modules/.bin/azurite-blob ] && grep -qs "\"version\": \"$azurite_version\"" \
        .build/azurite/node_modules/azurite/package.json; then
        return
    fi
    say "installing Azurite $azurite_version into .build/azurite"
    mkdir -p .build/azurite
    npm install --prefix .build/azurite --no-save --no-fund --no-audit --loglevel=error "azurite@$azurite_version" >/dev/null
}

case "${1:-}" in
    system) system "${2:-run}" ;;
    python) python_environment "$2" ;;
    azurite) azurite ;;
    *)
        sed -n '2,7p' "$0" >&2
        exit 2
        ;;
esac
