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

plan() {
    status=0
    # The runner sets both variables; by hand there may be neither.
    with_label oauthctl -f "$FILE" plan --detailed-exitcode --format markdown --out oauth.plan \
        ${GITHUB_STEP_SUMMARY:+--github-step-summary} ${GITHUB_OUTPUT:+--github-output} >plan.md || status=$?
    # A plan that fails is a comment too: otherwise an older one would look current.
    [ -s plan.md ] || exit "$status"
    if [ -n "${NUMBER:-}" ]; then "$here/comment.sh" "$NUMBER" plan.md; fi
    # 2: there are changes, as the output `changes` says.
    [ "$status" -eq 2 ] || exit "$status"
}

apply() {
    set --
    if [ "${HOOKS:-false}" = true ]; then set -- --hooks; fi
    if [ -n "${SECRETS_OUT:-}" ]; then set -- "$@" --secrets-out "$SECRETS_OUT"; fi
    with_label oauthctl -f "$FILE" apply "$PLAN" --yes "$@"
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
apply) apply ;;
drift) drift ;;
cleanup) oauthctl -f "$FILE" cleartokens --max-duration "${MAX_DURATION:-30m}" ;;
*)
    echo "::error::command is one of plan, apply, drift and cleanup"
    exit 64
    ;;
esac
