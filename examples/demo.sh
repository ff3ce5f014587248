#!/bin/sh
# The main job on the traffic sample next to this script, in a database that is made anew each time.
set -eu
cd "$(dirname "$0")/.."
rm -rf .demo
mkdir .demo
ROUTECTL_DB=.demo/routectl.db
ROUTECTL_ACTOR=demo
export ROUTECTL_DB ROUTECTL_ACTOR

run() {
    printf '\n$'
    for word in "$@"; do
        case $word in
            *" "*) printf ' "%s"' "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$@"
}

run routectl route set smart --strong gpt-4o --weak gpt-4o-mini --where model_group=smart
run routectl import examples/traffic.jsonl.gz
run routectl calibrate --strong-fraction 0.3
run routectl activate --note "agreed with finance"
run routectl export
