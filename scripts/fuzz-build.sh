# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds fuzz targets as cargo-fuzz does, without needing it; sourced. `fuzz_build [TARGET...]` builds these, or all, and
# sets `fuzz_bin` to the directory of the binaries. SANITIZER says how:
#     address    AddressSanitizer on the C, with per-CPU memory poisoned that is not allocated (the default)
#     undefined  the same and UndefinedBehaviorSanitizer on the C, which then ends the program
#     none       neither; about twice as fast
# LeakSanitizer is off everywhere: chunks hang in memory of the simulated kernel, where it sees no roots, so it would
# report all of them; leaks are the ledger oracle's.

# What is instrumented for libFuzzer, and what AddressSanitizer looks at: the C. Of the Rust, which is safe code but for a
# few files that check every address, it sees the heap only. Comparisons are traced in the C only: tracing those of the
# World, the Model and the oracles costs three quarters of the speed and teaches the fuzzer nothing about percpu.c.
fuzz_flags() {
    local what
    printf ' %s' -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing \
        -Cllvm-args=-simplifycfg-branch-fold-threshold=0
    if [[ "$1" == none ]]; then
        printf ' %s' -Ccodegen-units=1
        return
    fi
    printf ' %s' -Zsanitizer=address -Ccodegen-units=1
    for what in reads writes atomics byval; do
        printf ' %s' "-Cllvm-args=-asan-instrument-$what=false"
    done
    printf ' %s' -Cllvm-args=-asan-stack=false
}

fuzz_build() {
    local sanitizer=${SANITIZER:-address} root target bins=()
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    case "$sanitizer" in
    address | none) ;;
    undefined) export PERCUSS_UBSAN=1 ;;
    *)
        echo "percuss: SANITIZER is address, undefined or none, not $sanitizer" >&2
        return 2
        ;;
    esac
    # Build scripts run elsewhere.
    [[ -z "${PERCUSS_PATCHED:-}" ]] || PERCUSS_PATCHED=$(realpath "$PERCUSS_PATCHED") || return 2
    for target in "$@"; do
        if [[ ! -f "$root/fuzz/fuzz_targets/$target.rs" ]]; then
            echo "percuss: there is no target $target; there are $(fuzz_targets | paste -sd' ')" >&2
            return 2
        fi
        bins+=(--bin "$target")
    done
    [[ ${#bins[@]} -gt 0 ]] || bins=(--bins)
    # libFuzzer is C++. Where there is no compiler for it, clang's own comes with clang.
    if [[ -z "${CXX:-}" ]] && ! command -v c++ >/dev/null; then
        CXX=$(compgen -c clang++ | sort -rV | head -n1)
        export CXX
    fi
    # Sanitizers are a matter of nightly, or of the stable toolchain told that it is one.
    local env=(RUSTFLAGS="${RUSTFLAGS:-}$(fuzz_flags "$sanitizer")" RUSTC_BOOTSTRAP=1)
    # -O: without the overflow checks of debug builds, as in `percuss check`; the tests have them.
    local dir="$root/target/fuzz-${sanitizer/undefined/address}"
    (cd "$root/fuzz" && env "${env[@]}" CARGO_TARGET_DIR="$dir" cargo build --quiet --locked --release \
        --target x86_64-unknown-linux-gnu "${bins[@]}") || return 2
    # shellcheck disable=SC2034 # used by the scripts that source this
    fuzz_bin="$dir/x86_64-unknown-linux-gnu/release"
}

fuzz_targets() { (cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz/fuzz_targets" && basename -as .rs -- *.rs); }

# Reports name functions where there is a symbolizer.
fuzz_symbolizer() {
    local name
    for name in llvm-symbolizer llvm-symbolizer-{22,21,20,19,18,17,16,15,14}; do
        if command -v "$name" >/dev/null; then
            ASAN_SYMBOLIZER_PATH=$(command -v "$name")
            export ASAN_SYMBOLIZER_PATH
            return
        fi
    done
}
