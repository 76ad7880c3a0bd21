#!/bin/bash -eu
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds all targets the way fuzzing services want them: CC, CFLAGS, RUSTFLAGS and the rest come from the service, binaries
# and corpora go to $OUT. Nothing is written outside of $OUT, $WORK and the checkout in $SRC.

cd "$SRC/percuss"

# The kernel's source, from an archive that is the pinned one; only what an image is made of.
archive=${PERCUSS_ARCHIVE:-$SRC/linux-source-6.12.tar.xz}
pinned=$(sed -n 's/^tarball_sha256 = "\([0-9a-f]*\)"$/\1/p' vendor/manifest.toml | head -n1)
echo "$pinned  $archive" | sha256sum --check --quiet
mapfile -t parts < <(sed -n '/^unpack = \[/,/^\]/s/^ *"\(.*\)",$/linux-source-6.12\/\1/p' vendor/manifest.toml)
export PERCUSS_TREE=$WORK/tree
mkdir -p "$PERCUSS_TREE"
tar -xJf "$archive" -C "$PERCUSS_TREE" --strip-components=1 --wildcards "${parts[@]}"

# The shim instruments the C by the same flags; where the service gives none, as for coverage, it adds none.
cargo fuzz build -O --target-dir "$WORK/target"

targets=$WORK/target/x86_64-unknown-linux-gnu/release
for source in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    cp "$targets/$target" "$OUT/"
    # Seeds are text programs and texts as they are.
    find "corpora/$target" -type f | zip -q -j -@ "$OUT/${target}_seed_corpus.zip"
    printf '[libfuzzer]\nmax_len = 16384\ntimeout = 25\nrss_limit_mb = 2048\n' >"$OUT/$target.options"
done
