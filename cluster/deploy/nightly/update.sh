#!/bin/sh
# Fits the newest ratings by the settings of the bundle that the link `current` points to, and points it to the new
# bundle unless that is judged worse. README.md beside this file says how to start and stop it.
#
#   update.sh FOLDER RATINGS [PIDFILE]
#
# FOLDER has the link `current`; new bundles come below it. RATINGS are all ratings with their times, old and new;
# it and PIDFILE are whole paths. PIDFILE has the process id of `reeltune serve FOLDER/current`.
set -eu
cd "$1"
ratings=$2
pidfile=${3-}
next=models/$(date -u +%Y%m%dT%H%M%S)

mkdir -p models
answer=$(reeltune update current --data "$ratings" --output "$next" --json)
printf '%s\n' "$answer" >"$next.json"

case $answer in
*'"swap": true'*)
    ln -sfn "$next" next
    mv -T next current # in one step: whoever reads it finds the old bundle or the new one
    if [ -n "$pidfile" ]; then kill -HUP "$(cat "$pidfile")"; fi
    echo "current is $next now; the verdict is in $next.json"
    ;;
*)
    echo "current stays: $next is worse; the verdict is in $next.json"
    ;;
esac
