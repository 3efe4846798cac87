# A Kafka broker over a prepared folder, for as long as standard input is open. Arguments: the folder, then the command
# that runs a class of Kafka's. Obeys the words `stop` (at once, as in a crash) and `start`.
set -eu
folder=$1; shift
trap 'rm -rf "$folder"' EXIT

set -f # Options hold brackets.
# shellcheck disable=SC2046 # One word each.
"$@" kafka.tools.StorageTool format -t cGFub2ZsZWV0LXRlc3RzMQ -c "$folder/server.properties" $(cat "$folder/format") \
  >"$folder/log" 2>&1 \
  || { cat "$folder/log" >&2; exit 1; }

start() {
  "$@" kafka.Kafka "$folder/server.properties" >>"$folder/log" 2>&1 </dev/null &
  server=$!
}

stop() {
  kill -KILL "$server"
  wait "$server" 2>/dev/null || true
}

start "$@"
echo started
while read -r word; do
  "$word" "$@"
  echo "$word"
done
stop
