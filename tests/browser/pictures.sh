#!/usr/bin/env bash
# Makes the pictures of both READMEs anew, from a demo with a minute of traffic.
#
#   tests/browser/pictures.sh [path of the openrouter-proxy binary]
set -euo pipefail
# shellcheck source=tests/browser/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
binary=$(realpath "${1:-$target/release/openrouter-proxy}")

install_packages
read -r data admin < <(free_ports 2)
start demo "$binary" demo --traffic 1 --port "$data" --admin-port "$admin"
await demo "http://127.0.0.1:$admin/health"
sleep "${SECONDS_OF_TRAFFIC:-60}"
cd "$here"
ADMIN_URL=http://127.0.0.1:$admin ADMIN_PASSWORD=$(password_of demo) IMAGES=$root/docs/images node pictures.js
ls -l "$root/docs/images"
