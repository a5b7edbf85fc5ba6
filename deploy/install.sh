#!/bin/sh
# Puts the program where the image, or a machine, has it: what the image's second stage runs.
#
#   deploy/install.sh FOLDER [DATA]
#
# FOLDER holds the binary `openrouter-proxy` and the folder `static`; DATA is where its state is to lie, /data when
# left out. Makes the user openrouter-proxy (uid and gid 10001) and that folder, and installs
# CA certificates where there are none. Needs root. Run it again to upgrade.
set -eu
from=$1
data=${2:-/data}
id=10001

if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends ca-certificates
  rm -rf /var/lib/apt/lists/*
fi
# By hand, since Debian's slim base has no adduser.
grep -q '^openrouter-proxy:' /etc/group || echo "openrouter-proxy:x:$id:" >>/etc/group
grep -q '^openrouter-proxy:' /etc/passwd ||
  echo "openrouter-proxy:x:$id:$id:openrouter-proxy:$data:/usr/sbin/nologin" >>/etc/passwd
install -d -m 0755 /usr/local/bin /usr/local/share/openrouter-proxy
# Renamed into place: the program may be running.
install -m 0755 "$from/openrouter-proxy" /usr/local/bin/openrouter-proxy.new
mv /usr/local/bin/openrouter-proxy.new /usr/local/bin/openrouter-proxy
rm -rf /usr/local/share/openrouter-proxy/static
cp -R "$from/static" /usr/local/share/openrouter-proxy/static
chmod -R u=rwX,go=rX /usr/local/share/openrouter-proxy
install -d -m 0700 -o openrouter-proxy -g openrouter-proxy "$data"
