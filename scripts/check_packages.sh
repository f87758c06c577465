#!/usr/bin/env bash
# Packs all crates as `cargo publish` does, and checks that what is in the packages compiles, with their examples and unit tests.
#
#     scripts/check_packages.sh
#
# `cargo publish --dry-run` compiles every package alone, each with other features of Burn, which takes long. Here the packages form
# one workspace again, with the features, the lock file and the profiles of this one, so that its dependencies are built already.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo package --locked --workspace --no-verify --allow-dirty --target-dir "$folder/target" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
{
  printf '[workspace]\nresolver = "3"\nmembers = ["ls-*"]\n\n[patch.crates-io]\n'
  for package in "$folder"/target/package/ls-*.crate; do
    # With the time of now: by the one in the package Cargo would take the files for those of an earlier check.
    tar -xzmf "$package" -C "$folder"
    name=$(basename "$package" .crate)
    printf '%s = { path = "%s" }\n' "${name%-*}" "$name"
    for file in LICENSE-MIT LICENSE-APACHE README.md; do
      test -f "$folder/$name/$file" || { echo "$name holds no $file" >&2; exit 1; }
    done
  done
  sed -n '/^\[profile/,$p' Cargo.toml
} > "$folder/Cargo.toml"
cp Cargo.lock "$folder"
rm -r "$folder/target"
# Without `--locked`: a package leaves out dev-dependencies without a version, which the lock file names.
cargo check --offline --workspace --all-targets --manifest-path "$folder/Cargo.toml"
