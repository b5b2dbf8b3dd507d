#!/usr/bin/env bash
# Make or refresh .venv from requirements.lock. A second run with nothing changed does nothing.
# Set PYTHON to choose the interpreter (CPython 3.12 or 3.13).
set -euo pipefail
unset CDPATH
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. deploy/find-python.sh

venv=.venv
stamp=$venv/setup-stamp # written last; a venv without one is a broken one

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

version_of() { "$1" -I -S -c 'import sys; print(sys.version.split()[0])' 2>/dev/null; }

digest() {
    { echo "$root $1"; cat requirements.lock pyproject.toml; } | { sha256sum 2>/dev/null || shasum -a 256; }
}

# The venv is not of another version than PYTHON asks for (a PYTHON that does not suit asks for nothing).
is_wanted() {
    [ -z "${PYTHON:-}" ] || ! probe "$PYTHON" >/dev/null || [ "$1" = "$(version_of "$PYTHON")" ]
}

# The venv runs, and the stamp matches lock, project, place and Python.
is_current() {
    local version
    version=$(version_of $venv/bin/python) && is_wanted "$version" || return 1
    [ -f $stamp ] && [ "$(cat $stamp)" = "$(digest "$version")" ]
}

# A finished venv of this place and a Python that still suits can be synced; any other is made anew.
is_reusable() {
    [ -f $stamp ] && grep -qF "$root/$venv" $venv/bin/activate && probe $venv/bin/python >/dev/null &&
        is_wanted "$(version_of $venv/bin/python)"
}

# Wait for another set-up of this clone. The lock is on this script, so there is no lock file to clean away.
take_turn() {
    exec 9<>deploy/setup.sh
    if command -v flock >/dev/null; then
        flock 9
    else
        python3 -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || say "no file locks here: run one set-up at a time"
    fi
}

show_progress() {
    while kill -0 $$ 2>/dev/null; do
        sleep 10 >/dev/null 2>&1
        say "still at work"
    done 9>&-
}

make_venv() {
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --no-project --python "$python" --prompt investlab $venv
    else
        "$python" -m venv --prompt investlab $venv
    fi
}

# Both installers verify the hash of every file; wheels only, so nothing is compiled and no build code runs.
install_locked() {
    local python=$venv/bin/python
    if [ -n "$uv" ]; then
        "$uv" pip install --quiet --compile-bytecode --python $python --require-hashes --only-binary :all: -r requirements.lock && return 0
        say "uv could not install the lock, trying pip"
    fi
    $python -m pip --version >/dev/null 2>&1 || $python -m ensurepip >/dev/null 2>&1 || return 1
    $python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
}

# The lock brings setuptools, so the package itself needs no network.
install_package() {
    $venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
}

if is_current; then
    exit 0
fi
take_turn
if is_current; then
    exit 0
fi

show_progress &
progress=$!
trap 'kill $progress 2>/dev/null || true' EXIT

if is_reusable; then
    uv=$(find_uv) || uv=""
    say "bringing $venv (Python $(version_of $venv/bin/python)) up to date with requirements.lock"
    mv $stamp $stamp.before
else
    find_python || fail "no CPython 3.12 or 3.13 was found:
${tried}Install one (for example: apt-get install python3.12, pyenv install 3.12, or uv python install 3.12), or set PYTHON to it."
    rm -rf $venv # before looking for uv, which may be the old venv's own
    uv=$(find_uv) || uv=""
    say "making $venv with Python $(version_of "$python") at $python"
    make_venv || fail "$python cannot make a virtual environment and uv could not be fetched: install python3-venv or uv."
    say "installing $(grep -c '^[a-zA-Z0-9._-]*==' requirements.lock) locked packages"
fi
if ! { install_locked && install_package; }; then
    [ -f $stamp.before ] && mv $stamp.before $stamp
    fail "the locked packages could not be installed (see above); check the network or the package index and run it again."
fi
say "checking libgomp, which LightGBM needs"
$venv/bin/python deploy/provide_libgomp.py

digest "$(version_of $venv/bin/python)" >$stamp.new
mv $stamp.new $stamp
rm -f $stamp.before
say "ready"
