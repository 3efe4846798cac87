# A PostgreSQL server in a folder of its own, for as long as standard input is open: when the test process ends, in
# whatever way, the server and the folder go too. Arguments: the folder of PostgreSQL's programs, the port of
# 127.0.0.1 where it answers with TLS (everybody else comes by the Unix socket in the folder), and the MiB of memory for
# its pages.
#
# Prints the folder, then obeys the words `stop` (at once, as in a crash) and `start`, and says when it has.
set -eu
programs=$1 port=$2 buffers_mb=$3
folder=$(mktemp -d "${TMPDIR:-/tmp}/panofleet-postgres.XXXXXX")
trap 'rm -rf "$folder"' EXIT

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=panofleet-test \
  -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
  -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>"$folder/log"
"$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
  >>"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }

start() {
  "$programs/postgres" -D "$folder/data" -k "$folder" -p "$port" -h 127.0.0.1 \
    -c ssl=on -c ssl_cert_file="$folder/tls.crt" -c ssl_key_file="$folder/tls.key" \
    -c max_connections=300 -c shared_buffers="${buffers_mb}MB" >>"$folder/log" 2>&1 </dev/null &
  server=$!
  until "$programs/pg_isready" -q -h "$folder" -p "$port"; do
    kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
    sleep 0.05
  done
}

stop() {
  kill -QUIT "$server"
  wait "$server" || true
}

start
echo "$folder"
while read -r word; do
  "$word"
  echo "$word"
done
stop
