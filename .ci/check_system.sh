#!/bin/sh
# Say in one message what this machine lacks before anything can fail obscurely, and the one command that mends it.
#
#   sh .ci/check_system.sh PYTHON VENV     exit 0: go on; exit 1: the message says what to install or free
#
# It needs nothing but a POSIX shell, so it works on the barest machine that can run `make`. It looks only at what pip
# cannot bring: the interpreter with ensurepip, and the compiler and Python headers with which DeepSpeed builds its
# CPU operators at run time.
set -u

python=${1:-python3}
venv=${2:-.venv}
minimum=3.11
venv_gib=7   # measured 6.3 GiB, 0.3 of it compiled modules: torch with its CUDA libraries is nine tenths of it
spare_gib=1  # the operators built at run time, test output

problems=''   # lines for the reader
packages=''   # Debian/Ubuntu packages that mend them

lacks() { # lacks WHAT PACKAGE...
    problems="$problems
  - $1"
    shift
    packages="$packages $*"
}

# Prints the major.minor of a working interpreter, nothing otherwise.
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

version=$(version_of "$python")
prefix=python3
if [ -z "$version" ]; then
    case $python in
    python3) lacks "no '$python' on PATH" python3 python3-venv python3-dev ;;
    *) lacks "no working Python at PYTHON=$python" ;;
    esac
elif ! "$python" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$minimum'.split('.'))))"; then
    cat >&2 <<MESSAGE
This machine cannot be set up yet: '$python' is Python $version, and at least $minimum is needed.
Install a newer one (Ubuntu 22.04: apt-get install -y python3.11 python3.11-venv python3.11-dev) and name it, for example:
  make PYTHON=python3.11 demo
MESSAGE
    exit 1
else
    # Debian's own interpreter takes packages; one from elsewhere (pyenv, conda, /usr/local) should bring these itself.
    from_debian=$("$python" -c 'import sys; print(sys.base_prefix == "/usr")')
    [ "$(version_of /usr/bin/python3)" = "$version" ] || prefix=python$version
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$from_debian" = True ]; then
            lacks "Python $version cannot make virtual environments (no ensurepip)" "$prefix-venv"
        else
            lacks "$python (Python $version) was built without ensurepip: reinstall it with ensurepip, or name another by PYTHON="
        fi
    fi
    headers=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    if ! [ -f "$headers/Python.h" ]; then
        if [ "$from_debian" = True ]; then
            lacks "no Python headers ($headers/Python.h)" "$prefix-dev"
        else
            lacks "no Python headers ($headers/Python.h): install those of $python, or name another Python by PYTHON="
        fi
    fi
fi

command -v "${CXX:-c++}" >/dev/null 2>&1 || lacks "no C++ compiler (${CXX:-c++})" g++

# Prints "FREE_GIB DEVICE" of the file system that will hold a path, which need not exist yet.
free_gib() {
    path=$1
    while ! [ -d "$path" ]; do path=$(dirname "$path"); done
    df -Pk "$path" | awk 'NR == 2 { print int($4 / 1048576), $1 }'
}

disk=''
require_free() { # require_free GIB PATH WHAT
    free=$(free_gib "$2")
    [ "${free%% *}" -ge "$1" ] || disk="$disk
  - $3 ($2) needs about $1 GiB free; its file system has ${free%% *} GiB"
}
if ! [ -x "$venv/bin/python" ]; then
    cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/uv}
    require_free $((venv_gib + spare_gib)) "$(pwd)/$venv" "the virtual environment"
    here=$(free_gib "$(pwd)")
    there=$(free_gib "$cache")
    # On one file system the environment is hard links into the cache and costs nothing extra.
    [ "${here#* }" = "${there#* }" ] || require_free "$venv_gib" "$cache" "the download cache (move it with UV_CACHE_DIR)"
fi

[ -n "$problems$disk" ] || exit 0

echo "This machine cannot be set up yet:$problems$disk" >&2
packages=$(echo $packages) # one space between names
if [ -n "$packages" ]; then
    sudo=''
    [ "$(id -u)" -eq 0 ] || sudo='sudo '
    if command -v apt-get >/dev/null 2>&1; then
        echo "Install what is missing with (after '${sudo}apt-get update' if the packages are not found):" >&2
    else
        echo "Install what is missing; on Debian or Ubuntu that is the following, elsewhere the packages of the same purpose:" >&2
    fi
    echo "  ${sudo}apt-get install -y $packages" >&2
fi
exit 1
