#!/bin/sh
# Puts a note on a merge request, in place of the one that an earlier run has put there.
#
#   comment.sh FILE
#
# The first line of FILE is the marker by which the note is found again; it counts only if the owner of COMMENT_TOKEN wrote
# it. GitLab sets CI_API_V4_URL, CI_PROJECT_ID and CI_MERGE_REQUEST_IID. COMMENT_TOKEN is a project access token with the
# scope `api` and the role Reporter, kept as a masked variable.
set -eu
file=$1
notes=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes
IFS= read -r marker <"$file"
payload=$(mktemp)
trap 'rm -f "$payload"' EXIT

# The token comes from stdin: other processes can read arguments.
call() { # METHOD ADDRESS [CURL'S OPTIONS]
    method=$1 address=$2
    shift 2
    printf 'PRIVATE-TOKEN: %s\nContent-Type: application/json\n' "$COMMENT_TOKEN" |
        curl --fail --silent --show-error --retry 3 --max-time 60 --request "$method" --header @- "$@" "$address"
}

author=$(call GET "$CI_API_V4_URL/user" | jq -r .username)
found='' page=1
while [ -z "$found" ]; do
    all=$(call GET "$notes?per_page=100&page=$page")
    found=$(printf '%s' "$all" | jq -r --arg marker "$marker" --arg author "$author" \
        'map(select(.author.username == $author and (.body | startswith($marker)))) | .[0].id // empty')
    [ "$(printf '%s' "$all" | jq length)" -eq 100 ] || break
    page=$((page + 1))
done
jq -n --rawfile body "$file" '{body: $body}' >"$payload"
if [ -n "$found" ]; then
    call PUT "$notes/$found" --data-binary "@$payload" >/dev/null
else
    call POST "$notes" --data-binary "@$payload" >/dev/null
fi
