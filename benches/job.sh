#!/usr/bin/env bash
# The whole main job as one process tree: an 8192×4096 JPEG to a pyramid with both manifests, beside FFmpeg's v360
# making the same six faces (no pyramid, no manifests) from the same file in the same run.
#
#   ./dev bench job          release build; prints the median of 5 runs on one core and on all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --locked --quiet --release -p panofleet -p panofleet-runner
panofleet=target/release/panofleet

# Real content at the size: the reef's left eye, four times as large, with the grain of a sensor.
picture=$work/8192.jpg
ffmpeg -loglevel error -i "$1" -vf 'crop=iw:ih/2:0:0,scale=8192:4096:flags=lanczos,noise=alls=6:all_seed=7' -q:v 3 \
  -pix_fmt yuvj420p "$picture"

# Wall seconds, processor seconds and the largest resident set of any process, one run.
measure() {
  python3 - "$@" <<'PYTHON'
import resource, subprocess, sys, time
begun = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
wall = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
if done.returncode:
    sys.exit(f"{sys.argv[1:]} ended with {done.returncode}")
print(f"{wall:.3f} {used.ru_utime + used.ru_stime:.3f} {used.ru_maxrss // 1024}")
PYTHON
}

median() { # label, command…
  local label=$1
  shift
  for _ in $(seq "$runs"); do
    rm -rf "$work/out" "$work/out.jpg"
    measure "$@"
  done | sort -n | awk -v label="$label" '
    { wall[NR] = $1; cpu[NR] = $2; if ($3 > rss) rss = $3 }
    END { m = int((NR + 1) / 2); printf "%-34s %6.2f s wall  %6.2f s cpu  %5d MiB peak\n", label, wall[m], cpu[m], rss }'
}

echo "8192×4096 JPEG ($(stat -c %s "$picture") bytes), median of $runs runs, $(nproc) cores, $(date -u +%F)"
ours=("$panofleet" run --source "$picture" --output tiles=pano.tiles --out "$work/out")
peer=(ffmpeg -loglevel error -i "$picture" -vf v360=e:c6x1:cubic:w=15744:h=2624 -q:v 3 "$work/out.jpg")
median "panofleet, one core" taskset -c 0 "${ours[@]}"
median "panofleet, all cores" "${ours[@]}"
median "ffmpeg v360 cubic, one core" taskset -c 0 "${peer[@]}"
"${ours[@]}" --json >"$work/report.json" 2>/dev/null || { rm -rf "$work/out"; "${ours[@]}" --json >"$work/report.json"; }
python3 - "$work/report.json" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
print("steps: " + ", ".join(f"{step['step']} {step['wall_ms']} ms" for step in report["steps"]))
tiles = report["outputs"]["tiles"]
print(f"made: {len(tiles['files'])} files, {tiles['total_bytes'] / 1e6:.1f} MB")
for quality in tiles["quality"]:
    seams = ", ".join(f"{score:.3f}" for score in quality["seam_scores"])
    print(f"round trip {quality['round_trip_ws_psnr_db']:.1f} dB (WS-PSNR), seams by level {seams}")
PYTHON
