#!/usr/bin/env bash
# Builds versitygw, an S3 server over a folder, from the Go module proxy into .dev/versitygw/bin, once for each version.
set -euo pipefail
version=v1.8.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$(cd "$here/../../.." && pwd)/.dev/versitygw
[ "$(cat "$target/.fetched-version" 2>/dev/null)" != "$version" ] || exit 0

die() { printf 'fetch.sh: %s\n' "$*" >&2; exit 1; }
command -v go >/dev/null || die "go is missing (https://go.dev/dl, version 1.25 or later)"
rm -rf "$target"
mkdir -p "$target/bin"
log=$target/fetch.log
(cd "$target" && GOBIN=$target/bin go install "github.com/versity/versitygw/cmd/versitygw@$version") >"$log" 2>&1 ||
  { cat "$log" >&2; die "Go could not build versitygw"; }
echo "$version" >"$target/.fetched-version"
