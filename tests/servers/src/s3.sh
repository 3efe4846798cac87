# versitygw, an S3 server, over a folder of its own for as long as standard input is open: when the test process ends,
# in whatever way, the server and the folder go too. Arguments: the program, the port of 127.0.0.1 where it answers, the
# key pair, and `plain` or `tls`: then its certificate is signed by a CA that is made here, `ca.crt` in the folder.
#
# Prints the folder, then obeys the words `stop` (at once, as in a crash) and `start`, and says when it has.
set -eu
program=$1 port=$2 access_key=$3 secret_key=$4 security=$5
folder=$(mktemp -d "${TMPDIR:-/tmp}/panofleet-s3.XXXXXX")
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/buckets"

certify() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=panofleet test CA" \
    -keyout "$folder/ca.key" -out "$folder/ca.crt" &&
  openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout "$folder/tls.key" -out "$folder/tls.csr" &&
  printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n' >"$folder/tls.ext" &&
  openssl x509 -req -days 2 -in "$folder/tls.csr" -extfile "$folder/tls.ext" \
    -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -out "$folder/tls.crt"
}

start() {
  if [ "$security" = tls ]; then set -- --cert "$folder/tls.crt" --key "$folder/tls.key"; else set --; fi
  "$program" --quiet --access "$access_key" --secret "$secret_key" --port "127.0.0.1:$port" "$@" \
    posix "$folder/buckets" >>"$folder/log" 2>&1 </dev/null &
  server=$!
}

stop() {
  kill -KILL "$server"
  wait "$server" 2>/dev/null || true
}

[ "$security" = plain ] || certify 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
start
echo "$folder"
while read -r word; do
  "$word"
  echo "$word"
done
stop
