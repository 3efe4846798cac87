#!/bin/sh
# Makes the secrets of compose.yaml, once: docker/.env, which only its owner may read and git does not see.
set -eu
cd "$(dirname "$0")"
[ ! -e .env ] || { echo "docker/.env is there already; it stays as it is"; exit 0; }
umask 077
secret() { openssl rand -hex 32; }
cat >.env.new <<TEXT
POSTGRES_PASSWORD=$(secret)
OBJECTS_SECRET_KEY=$(secret)
API_ADMIN_KEY=$(secret)
SIGNING_KEY_HANGZHOU=$(secret)
SIGNING_KEY_US_WEST=$(secret)
TEXT
mv .env.new .env
echo "made docker/.env"
