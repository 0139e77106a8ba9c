#!/bin/sh
# For a container that runs once, after `manage.py migrate` and before the server: waits for the database, then makes the
# applications as the file says. FILE is the file, TRIES how often a database that does not answer is tried.
set -eu
file=${FILE:-oauth.toml} tries=${TRIES:-30} pause=${PAUSE:-2}

while :; do
    status=0
    oauthctl -f "$file" apply --yes --no-cleanup || status=$?
    # 5: it does not answer. 6: another container is at work.
    case $status in 5 | 6) ;; *) exit "$status" ;; esac
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit "$status"
    sleep "$pause"
done
