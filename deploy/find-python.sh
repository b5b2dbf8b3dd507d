# Functions that find a CPython 3.12 or 3.13 and fetch uv. Sourced by setup.sh; they use $root and $tried.
# Candidates are run, never trusted by their name: a pyenv shim of an unselected version exists and still fails.

tried=""

note() { tried+="  * $1"$'\n'; }

# Print the interpreter behind a candidate when it is a CPython 3.12 or 3.13 (the base one, if it is a venv's).
probe() {
    "$1" -c 'import sys
if not (3, 12) <= sys.version_info[:2] < (3, 14) or sys.implementation.name != "cpython":
    sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)' 2>/dev/null
}

# The Pythons in pyenv whose version starts with $1.
pyenv_pythons() {
    local home
    for home in "${PYENV_ROOT:-}" "${HOME:-}/.pyenv"; do
        [ -d "$home/versions" ] && ls -d "$home"/versions/$1*/bin/python 2>/dev/null
    done
    return 0
}

# Print a working uv: the one on PATH, the one of this clone, or the locked release fetched by any Python that has pip.
find_uv() {
    local uv with_pip
    for uv in uv "$root/.venv/bin/uv" "$root/var/setup/uv/bin/uv"; do
        "$uv" --version >/dev/null 2>&1 && { command -v "$uv"; return 0; }
    done
    mkdir -p "$root/var/setup"
    sed -n '/^uv==/,/^ *#/p' "$root/requirements.lock" >"$root/var/setup/uv.txt"
    for with_pip in "${python:-python3}" python3 python /usr/bin/python3 $(pyenv_pythons 3.); do
        "$with_pip" -m pip --version >/dev/null 2>&1 || continue
        "$with_pip" -m pip install --quiet --no-deps --only-binary :all: --require-hashes --upgrade \
            --target "$root/var/setup/uv" -r "$root/var/setup/uv.txt" >/dev/null 2>&1 || continue
        "$root/var/setup/uv/bin/uv" --version >/dev/null 2>&1 && { echo "$root/var/setup/uv/bin/uv"; return 0; }
    done
    return 1
}

# Set $python; on failure $tried holds one sentence for each way tried.
find_python() {
    local candidate uv
    if [ -n "${PYTHON:-}" ]; then
        python=$(probe "$PYTHON") && return 0
        note "PYTHON=$PYTHON does not run, or is no CPython 3.12 or 3.13."
    fi

    for candidate in python3.13 python3.12 python3 python; do
        python=$(probe "$candidate") && return 0
    done
    note "No python3.13, python3.12, python3 or python on PATH runs as CPython 3.12 or 3.13."

    for candidate in $(pyenv_pythons '3.1[23].'); do
        python=$(probe "$candidate") && return 0
    done
    note "pyenv holds no working 3.12 or 3.13."

    if ! uv=$(find_uv); then
        note "There is no uv on PATH, and no Python with pip could fetch it."
        return 1
    fi
    python=$("$uv" python find --no-project '>=3.12,<3.14' 2>/dev/null) && python=$(probe "$python") && return 0
    # The fetched interpreter stays inside the clone.
    export UV_PYTHON_INSTALL_DIR="$root/.python" UV_PYTHON_INSTALL_BIN=0
    "$uv" python install --quiet 3.12 >/dev/null 2>&1
    python=$("$uv" python find --no-project 3.12 2>/dev/null) && python=$(probe "$python") && return 0
    note "uv ($uv) finds no CPython 3.12 or 3.13 and could not download one."
    return 1
}
