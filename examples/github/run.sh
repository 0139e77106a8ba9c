#!/bin/sh
# What action.yml does, for one COMMAND. The settings come from the environment, as action.yml passes them.
#
#   plan      plans, shows the plan on the pull request and in the job's summary, and saves it in oauth.plan
#   apply     applies the saved plan in PLAN, or nothing
#   drift     fails if the database is not as the file says
#   cleanup   deletes expired tokens
set -eu
here=$(dirname "$0")

# The words of an option and its value, which may hold spaces.
with_label() { # COMMAND...
    if [ -n "${LABEL:-}" ]; then "$@" --label "$LABEL"; else "$@"; fi
}

output() { # NAME VALUE
    printf '%s=%s\n' "$1" "$2" >>"${GITHUB_OUTPUT:-/dev/null}"
}

plan() {
    status=0
    with_label oauthctl -f "$FILE" plan --detailed-exitcode --format markdown --out oauth.plan >plan.md || status=$?
    # A plan that fails is a comment too: otherwise an older one would look current.
    [ -s plan.md ] || exit "$status"
    cat plan.md >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
    if [ -n "${NUMBER:-}" ]; then "$here/comment.sh" "$NUMBER" plan.md; fi
    case $status in
    0) output changes false ;;
    2) output changes true ;;
    *) exit "$status" ;;
    esac
}

drift() {
    status=0
    with_label oauthctl -f "$FILE" plan --detailed-exitcode --no-cleanup || status=$?
    if [ "$status" -eq 2 ]; then
        echo "::error::The database differs from $FILE: somebody has changed it, or a change was not applied."
        exit 1
    fi
    exit "$status"
}

case $COMMAND in
plan) plan ;;
apply) oauthctl -f "$FILE" apply "$PLAN" --yes ${SECRETS_OUT:+--secrets-out "$SECRETS_OUT"} ;;
drift) drift ;;
cleanup) oauthctl -f "$FILE" cleartokens --max-duration "${MAX_DURATION:-30m}" ;;
*)
    echo "::error::command is one of plan, apply, drift and cleanup"
    exit 64
    ;;
esac
