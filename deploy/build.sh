#!/bin/sh
# Builds the release binary on a bare Debian with Rust: what the image's first stage runs.
#
#   deploy/build.sh     in the folder of Cargo.toml; the binary is left in target/release
#
# Needs root only where a C compiler, perl or make must be installed first.
set -eu

if ! command -v cc >/dev/null || ! command -v make >/dev/null || ! perl -MIPC::Cmd -MFindBin -e 1 2>/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends gcc libc6-dev make perl
fi
exec cargo build --release --locked --bin openrouter-proxy
