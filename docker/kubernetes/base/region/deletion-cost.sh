#!/bin/sh
# Tells Kubernetes which worker to end first: the one with the fewest busy slots. Only changes are written, since each
# costs the cluster's own database a write.
set -eu
account=${ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}
kubernetes=${KUBERNETES:-https://kubernetes.default.svc}
metrics=${METRICS:-http://127.0.0.1:9464/metrics}
last=

busy_slots() { curl -sS --fail --max-time 5 "$metrics" | sed -n 's/^panofleet_worker_slots_busy \([0-9][0-9]*\)$/\1/p'; }

tell() {
  curl -sS --fail --max-time 10 --output /dev/null --cacert "$account/ca.crt" --request PATCH \
    --header "Authorization: Bearer $(cat "$account/token")" --header 'Content-Type: application/merge-patch+json' \
    --data "{\"metadata\":{\"annotations\":{\"controller.kubernetes.io/pod-deletion-cost\":\"$1\"}}}" \
    "$kubernetes/api/v1/namespaces/$NAMESPACE/pods/$POD"
}

# A signal ends it between two looks, too: the shell is the first process, which nobody ends by default.
trap 'exit 0' TERM INT
while true; do
  busy=$(busy_slots) || busy=
  if [ -n "$busy" ] && [ "$busy" != "$last" ]; then
    if tell "$busy"; then last=$busy; fi
  fi
  sleep "${PERIOD_S:-15}" &
  wait $!
done
