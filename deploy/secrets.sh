#!/bin/sh
# Makes the secrets of the compose profile `postgres`, each in a file of its own below ./secrets; those that are
# there already stay as they are. Prints nothing of them.
#
#   deploy/secrets.sh [FOLDER]
#
# The folder is open to you alone. The files in it are readable, since the users inside the containers, who see each
# file by itself, are others than you.
set -eu
folder=${1:-secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

# So many random letters and digits.
random() { LC_ALL=C tr -dc "$2" </dev/urandom | head -c "$1"; }

keep() {
  [ ! -e "$folder/$1" ] || return 0
  printf '%s\n' "$2" >"$folder/$1.new"
  chmod 444 "$folder/$1.new"
  mv "$folder/$1.new" "$folder/$1"
  echo "made $folder/$1"
}

keep postgres_password "$(random 32 a-zA-Z0-9)"
keep database_url "postgres://openrouter:$(cat "$folder/postgres_password")@postgres:5432/openrouter"
keep secret_key "$(random 64 0-9a-f)"
keep admin_password "$(random 24 a-zA-Z0-9)"
keep access_password "$(random 24 a-zA-Z0-9)"
