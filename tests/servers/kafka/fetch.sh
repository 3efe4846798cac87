#!/usr/bin/env bash
# Fetches Apache Kafka's jars from Maven Central into .dev/kafka/libs, once for each state of pom.xml.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$(cd "$here/../../.." && pwd)/.dev/kafka
pom=$here/pom.xml
sum=$(sha256sum "$pom" | cut -d ' ' -f 1)
[ "$(cat "$target/.fetched-from" 2>/dev/null)" != "$sum" ] || exit 0

die() { printf 'fetch.sh: %s\n' "$*" >&2; exit 1; }
command -v mvn >/dev/null || die "mvn is missing (Debian's package maven)"
command -v java >/dev/null || die "java is missing; Kafka needs Java 17 or later"
rm -rf "$target"
mkdir -p "$target"
log=$target/fetch.log
mvn -q -B -ntp -f "$pom" dependency:copy-dependencies \
  -DoutputDirectory="$target/libs" -DincludeScope=runtime >"$log" 2>&1 || { cat "$log" >&2; die "Maven could not fetch Kafka"; }
ls "$target"/libs/kafka_2.13-*.jar >/dev/null || die "the jars came without Kafka"
echo "$sum" >"$target/.fetched-from"
