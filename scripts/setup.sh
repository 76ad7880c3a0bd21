# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What percuss needs from the system; sourced by scripts/run and scripts/test. `setup` installs what is missing when it
# may (Debian, as root), else says exactly how to, and returns 2. When nothing is missing it takes no time.

CARGO_AT_LEAST=1.95
CLANG_VERSIONS=(19 18 17 16 15 14)

say() { printf 'percuss: %s\n' "$*" >&2; }

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

installed() { [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]; }

available() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# The packages of one clang version.
clang_packages() { printf '%s\n' "clang-$1" "lld-$1" "libclang-$1-dev" "llvm-$1"; }

# The newest clang that satisfies a test ($1: installed or available), if any.
newest_clang() {
    local version
    for version in "${CLANG_VERSIONS[@]}"; do
        if "$1" "clang-$version"; then
            echo "$version"
            return
        fi
    done
}

# All packages wanted that are not installed; $1 says whether the kernel sources are among the wanted.
missing_packages() {
    local package packages=(xz-utils gcc libc6-dev) clang
    clang=$(newest_clang installed)
    [[ -n "$clang" ]] || clang=$(newest_clang available)
    mapfile -t -O "${#packages[@]}" packages < <(clang_packages "${clang:-${CLANG_VERSIONS[0]}}")
    if [[ "$1" == sources ]]; then
        packages+=(linux-source-6.12 linux-source-6.1)
    fi
    for package in "${packages[@]}"; do
        installed "$package" || echo "$package"
    done
}

# Suites carry different kernels: one of the two named trees is enough.
without_unavailable_sources() {
    local package
    for package in "$@"; do
        if [[ "$package" != linux-source-* ]] || available "$package"; then
            echo "$package"
        else
            say "this suite has no $package; that tree will be skipped"
        fi
    done
}

setup_debian() {
    local missing
    mapfile -t missing < <(missing_packages "$1")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    # Old lists may lack a kernel source package, or know only one of before the last security update.
    if [[ $(id -u) -eq 0 ]]; then
        apt-get update -q || say "apt-get update failed; going on with the package lists there are"
        mapfile -t missing < <(missing_packages "$1") # with the newest clang of the lists just fetched
    fi
    mapfile -t missing < <(without_unavailable_sources "${missing[@]}")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    if [[ $(id -u) -ne 0 ]]; then
        say "these packages are missing; install them as root and run this again:"
        say "    apt-get install --no-install-recommends ${missing[*]}"
        return 2
    fi
    say "installing ${missing[*]}"
    if ! apt_install "${missing[@]}"; then
        say "apt-get could not install ${missing[*]}"
        return 2
    fi
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }

setup_other() {
    local program missing=()
    for program in clang ld.lld llvm-objcopy xz tar cc; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then
        say "this is not Debian, so nothing is installed here. Missing: ${missing[*]}"
        say "install clang (14 or newer), lld, llvm, the libclang headers, xz, tar and a C compiler"
    fi
    if [[ "$1" == sources ]]; then
        say "this is not Debian, so there are no packaged kernel sources: give a kernel checkout with --tree DIR"
    fi
    [[ ${#missing[@]} -eq 0 ]]
}

setup_cargo() {
    command -v cargo >/dev/null || PATH="$PATH:$HOME/.cargo/bin"
    local version
    version=$(cargo --version 2>/dev/null | cut -d' ' -f2) || version=
    if [[ "$(printf '%s\n' "$CARGO_AT_LEAST" "${version:-0}" | sort -V | head -n1)" != "$CARGO_AT_LEAST" ]]; then
        say "cargo $CARGO_AT_LEAST or newer is needed, found ${version:-none}: rustup update stable"
        return 2
    fi
}

# setup sources|tools: `tools` leaves the kernel source packages out, for when a tree is given.
setup() {
    local wanted="$1" clang
    if [[ -n "${PERCUSS_TARBALL_DIR:-}" ]]; then
        wanted=tools
    fi
    if is_debian; then
        setup_debian "$wanted" || return 2
        # bindgen would take any libclang: the one beside the clang in use is right.
        clang=$(newest_clang installed)
        if [[ -z "${LIBCLANG_PATH:-}" && -d "/usr/lib/llvm-$clang/lib" ]]; then
            export LIBCLANG_PATH="/usr/lib/llvm-$clang/lib"
        fi
    else
        setup_other "$wanted" || return 2
    fi
    setup_cargo
}
