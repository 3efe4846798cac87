#!/usr/bin/env bash
# What other job systems do with the same jobs on the same machine: Celery on RabbitMQ, BullMQ on Redis, River on
# PostgreSQL, each from its own package, with servers of their own on loopback.
#
#   ./dev bench fleet --peers     20,000 jobs are queued first and then run; then 100 come in a second for 20 s
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
jobs=${1:-20000}
rate=100
seconds=20
work=$(mktemp -d)
chmod 755 "$work"
servers=()
epmd=''

stop_servers() {
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${servers[@]}"; do wait "$pid" 2>/dev/null || true; done
  servers=()
  # The names of Erlang's nodes are kept by a daemon that outlives them.
  [ -z "$epmd" ] || ERL_EPMD_PORT=$epmd epmd -kill >/dev/null || true
  epmd=''
}
trap 'stop_servers; rm -rf "$work"' EXIT

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

await_port() { # port, name
  for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.1
  done
  echo "peers: $2 does not listen; its log:" >&2
  tail -n 20 "$work/$2.log" >&2
  exit 1
}

row() { # name, one line of JSON
  python3 - "$1" "$2" <<'PYTHON'
import json, sys
name, found = sys.argv[1], json.loads(sys.argv[2])
print(f"{name:<22}{found['accepted_per_s']:>10,.0f} accepted/s{found['ran_per_s']:>9,.0f} run/s"
      f"   picked up: p50 {found['p50_ms']:.1f}, p95 {found['p95_ms']:.1f}, p99 {found['p99_ms']:.1f} ms")
PYTHON
}

celery_on_rabbitmq() {
  local port dist
  port=$(free_port) dist=$(free_port) epmd=$(free_port)
  mkdir "$work/rabbitmq"
  env HOME="$work/rabbitmq" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd" RABBITMQ_NODENAME="bench$port@localhost" \
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$port" RABBITMQ_DIST_PORT="$dist" \
    RABBITMQ_MNESIA_BASE="$work/rabbitmq" RABBITMQ_LOG_BASE="$work/rabbitmq" RABBITMQ_PID_FILE="$work/rabbitmq/pid" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$work/rabbitmq/plugins" \
    /usr/lib/rabbitmq/bin/rabbitmq-server >"$work/rabbitmq.log" 2>&1 &
  servers+=($!)
  await_port "$port" rabbitmq
  python3 -m venv "$work/python"
  "$work/python/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0
  mkdir "$work/waits"
  export BENCH_AMQP_URL=amqp://guest:guest@127.0.0.1:$port// BENCH_FOLDER=$work/waits
  row "Celery on RabbitMQ" "$("$work/python/bin/python" celery/bench.py "$jobs" "$rate" "$seconds")"
  stop_servers
}

bullmq_on_redis() {
  local port
  port=$(free_port)
  mkdir "$work/redis"
  redis-server --port "$port" --bind 127.0.0.1 --dir "$work/redis" --appendonly yes --save '' >"$work/redis.log" &
  servers+=($!)
  await_port "$port" redis
  cp bullmq/* "$work/redis"
  (cd "$work/redis" && npm ci --silent --no-audit --no-fund)
  row "BullMQ on Redis" "$(node "$work/redis/bench.mjs" "$port" "$jobs" "$rate" "$seconds")"
  stop_servers
}

river_on_postgresql() {
  local port bin as=()
  port=$(free_port)
  bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 | sort -V | tail -n 1)
  mkdir "$work/postgresql"
  if [ "$(id -u)" = 0 ]; then # PostgreSQL runs as nobody's root.
    chown postgres "$work/postgresql"
    as=(setpriv --reuid postgres --regid postgres --clear-groups)
  fi
  "${as[@]}" "$bin/initdb" --pgdata "$work/postgresql" --username postgres --auth trust >"$work/postgresql.log"
  "${as[@]}" "$bin/postgres" -D "$work/postgresql" -p "$port" -c listen_addresses=127.0.0.1 -c shared_buffers=512MB \
    -c unix_socket_directories= >>"$work/postgresql.log" 2>&1 &
  servers+=($!)
  await_port "$port" postgresql
  (cd river && go build -o "$work/river" .)
  local url=postgres://postgres@127.0.0.1:$port/postgres
  row "River on PostgreSQL" "$("$work/river" "$url" "$jobs" "$rate" "$seconds")"
  stop_servers
}

echo "$jobs jobs queued and then run, then $rate jobs/s for $seconds s; $(nproc) cores for everything, $(date -u +%F)"
celery_on_rabbitmq
bullmq_on_redis
river_on_postgresql
