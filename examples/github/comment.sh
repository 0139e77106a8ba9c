#!/bin/sh
# Puts a comment on a pull request, in place of the one that an earlier run has put there.
#
#   comment.sh NUMBER FILE
#
# The first line of FILE is the marker by which the comment is found again. A comment counts only if COMMENT_AUTHOR wrote
# it: anybody can write one that begins with the marker. GITHUB_API_URL and GITHUB_REPOSITORY are set by the runner,
# GH_TOKEN by the job; the token needs `pull-requests: write`.
set -eu
number=$1 file=$2
issues=${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY/issues
author=${COMMENT_AUTHOR:-github-actions[bot]}
IFS= read -r marker <"$file"
payload=$(mktemp)
trap 'rm -f "$payload"' EXIT

# The token comes from stdin: other processes can read arguments.
call() { # METHOD ADDRESS [CURL'S OPTIONS]
    method=$1 address=$2
    shift 2
    printf 'Authorization: Bearer %s\nAccept: application/vnd.github+json\n' "$GH_TOKEN" |
        curl --fail --silent --show-error --retry 3 --max-time 60 --request "$method" --header @- "$@" "$address"
}

found='' page=1
while [ -z "$found" ]; do
    comments=$(call GET "$issues/$number/comments?per_page=100&page=$page")
    found=$(printf '%s' "$comments" | jq -r --arg marker "$marker" --arg author "$author" \
        'map(select(.user.login == $author and (.body | startswith($marker)))) | .[0].id // empty')
    [ "$(printf '%s' "$comments" | jq length)" -eq 100 ] || break
    page=$((page + 1))
done
jq -n --rawfile body "$file" '{body: $body}' >"$payload"
if [ -n "$found" ]; then
    call PATCH "$issues/comments/$found" --data-binary "@$payload" >/dev/null
else
    call POST "$issues/$number/comments" --data-binary "@$payload" >/dev/null
fi
