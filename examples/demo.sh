#!/bin/sh
# The main job on the traffic sample beside this script, in a database that is made anew each time.
set -eu
cd "$(dirname "$0")/.."
rm -rf .demo
mkdir .demo
ROUTECTL_DB=.demo/routectl.db
export ROUTECTL_DB

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

run routectl import examples/traffic.jsonl.gz
run routectl score
run routectl activate --always-strong --note "before calibration"
run routectl calibrate --strong-fraction 0.3 --where model_group=smart
run routectl activate --note "30 % strong"
run routectl export
