
# Client ids of the file. oauthctl reads the file and no database, and says nothing where it cannot.
_oauthctl_client_ids() {
    local id
    COMPREPLY=()
    while IFS= read -r id; do
        if [[ $id == "$2"* ]]; then COMPREPLY+=("$(printf %q "$id")"); fi
    done < <("$1" completions --client-ids -- "${COMP_WORDS[@]:1}" 2>/dev/null)
}

_oauthctl_or_client_ids() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word
    case $prev in
    @OPTIONS@)
        _oauthctl_client_ids "$1" "$cur"
        return
        ;;
    esac
    if [[ $cur != -* && $prev != -* ]]; then
        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
            case $word in
            @VERBS@)
                _oauthctl_client_ids "$1" "$cur"
                return
                ;;
            esac
        done
    fi
    _oauthctl "$@"
}

complete -F _oauthctl_or_client_ids -o bashdefault -o default oauthctl
