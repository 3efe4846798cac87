#!/usr/bin/env bash
# Builds the images without a container engine, and runs what is in them: as their own user, with a root file system that
# cannot be written to, in namespaces of their own. Takes root. Everything lies in .dev/images.
#
#   docker/images.sh PROFILE     the programs are target/PROFILE's: how docker/build compiles is not tried here
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=$1
work=$PWD/.dev/images
debian=$(sed -n 's/^ARG DEBIAN=//p' docker/base/Dockerfile)

say() { printf '── %s\n' "$*"; }
die() { printf 'images: %s\n' "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "run it as root: it makes file systems and namespaces"
mkdir -p "$work"

buildah() { command buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" "$@"; }
build() { buildah bud --quiet --format docker --isolation chroot --network host "$@" >"$work/bud.log" 2>&1 || { cat "$work/bud.log" >&2; die "no image"; }; }

# Debian, from the registry or made here.
debian_image() {
  if buildah pull --quiet "$debian" >/dev/null 2>&1; then
    say "the base is $debian"
    return
  fi
  debian=localhost/debian:bookworm
  say "no registry can be reached: the base is made by debootstrap"
  if ! buildah inspect --type image "$debian" >/dev/null 2>&1; then
    rm -rf "$work/bookworm"
    debootstrap --variant=minbase bookworm "$work/bookworm" >"$work/debootstrap.log" || { tail "$work/debootstrap.log" >&2; die "no Debian"; }
    local container
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/bookworm" / >/dev/null
    buildah commit --quiet "$container" "$debian" >/dev/null
    buildah rm "$container" >/dev/null
    rm -rf "$work/bookworm"
  fi
}

# An image with a `build-programs` that hands out what was compiled outside.
prebuilt_image() {
  local context=$work/prebuilt program
  rm -rf "$context"
  mkdir -p "$context"
  for program in panofleet panofleet-runner; do
    strip -o "$context/$program" "target/$profile/$program"
  done
  printf '#!/bin/sh\nset -eu\ninstall -D -t "$1" /opt/panofleet /opt/panofleet-runner\n' >"$context/build-programs"
  chmod 755 "$context/build-programs"
  printf 'FROM localhost/panofleet-base:1\nUSER 0\nCOPY panofleet panofleet-runner /opt/\nCOPY build-programs /usr/local/bin/\n' >"$context/Dockerfile"
  build -t localhost/panofleet-prebuilt:1 -f "$context/Dockerfile" "$context"
}

# Runs a command line in the image: `inside NAME COMMAND…`. Everything of one NAME shares a network.
inside() {
  local name=$1
  shift
  # shellcheck disable=SC2016 # It is for the inner shell.
  nsenter --net="/run/netns/panofleet-$name" unshare --mount --propagation private --pid --fork --kill-child sh -euc '
    root=$1 data=$2; shift 2
    mount --bind "$root" "$root"
    mount --options remount,bind,ro "$root"
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t tmpfs -o nosuid,nodev,size=64m,mode=1777 tmpfs "$root/tmp"
    mount -t tmpfs -o nosuid,size=1m,mode=755 tmpfs "$root/dev"
    for device in null zero full random urandom; do
      touch "$root/dev/$device"
      mount --bind "/dev/$device" "$root/dev/$device"
    done
    mount --bind "$data" "$root/data"
    exec chroot "$root" setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all \
      env --ignore-environment --chdir=/data "$@"' inside "$root" "$work/data" "${variables[@]}" "$@"
}

check() {
  local what=$1
  shift
  "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; die "$what: failed"; }
  say "$what: $(tail -n 1 "$work/said")"
}

debian_image
say "building panofleet-base"
build -t localhost/panofleet-base:1 --build-arg "DEBIAN=$debian" docker/base
say "building panofleet, with the programs of target/$profile"
prebuilt_image
build -t localhost/panofleet:0.1.0 -f docker/panofleet/Dockerfile --build-arg BUILD=localhost/panofleet-prebuilt:1 \
  --build-arg BASE=localhost/panofleet-base:1 .

settings=$(buildah inspect --type image localhost/panofleet:0.1.0)
[ "$(jq -r .OCIv1.config.User <<<"$settings")" = 10001:10001 ] || die "the image's user is not 10001"
mapfile -t variables < <(jq -r '.OCIv1.config.Env[]' <<<"$settings")
mapfile -t start < <(jq -r '.OCIv1.config | .Entrypoint[], .Cmd[]' <<<"$settings")
mapfile -t health < <(jq -r '.Docker.config.Healthcheck.Test[1:][]' <<<"$settings")
[ ${#health[@]} -gt 0 ] || die "the image has no health check"

container=$(buildah from localhost/panofleet:0.1.0)
root=$(buildah mount "$container")
rm -rf "$work/data"
install -d -o 10001 -g 10001 "$work/data"
ip netns add panofleet-up
service=
trap '[ -z "$service" ] || { kill "$service" 2>/dev/null; wait "$service" 2>/dev/null || true; }; ip netns del panofleet-up; buildah rm "$container" >/dev/null' EXIT
ip -n panofleet-up link set lo up

check "user" inside up id
if inside up touch /etc/x 2>/dev/null; then die "the root file system can be written to"; fi
say "the root file system cannot be written to"
check "panofleet --version" inside up tini -- panofleet --version
check "panofleet doctor" inside up tini -- panofleet doctor
sed 's/^/   /' "$work/said"
inside up "${start[@]}" >"$work/up.log" 2>&1 &
service=$!
say "started: ${start[*]}"
check "health check (${health[*]})" inside up "${health[@]}" --wait 60s
check "GET :8360/healthz" nsenter --net=/run/netns/panofleet-up curl -sS --fail http://127.0.0.1:8360/healthz
install -o 10001 -g 10001 fixtures/equirect.jpg "$work/data/source.jpg"
check "a picture, through the sandbox" inside up panofleet --api http://127.0.0.1:8360 submit /data/source.jpg \
  --output small=image.thumbnail --output probe=media.probe --wait
sed 's/^/   /' "$work/said"
# Below the background shell: unshare, which passes no signal on, and then the container's first process.
kill -TERM "$(pgrep -P "$(pgrep -P "$service")")" || die "the service is gone: $(tail -n 3 "$work/up.log")"
wait "$service" || { tail "$work/up.log" >&2; die "the service did not end in order"; }
service=
say "ended in order at SIGTERM"
buildah rmi --prune >/dev/null
buildah images | awk '{ print "   " $1, $2, $(NF - 1), $NF }' | grep -v prebuilt
