# Client ids of the file. oauthctl reads the file and no database, and says nothing where it cannot.
_oauthctl_client_ids() {
    local -a ids
    ids=("${(@f)$(oauthctl completions --client-ids -- "${(@)words[2,-1]}" 2>/dev/null)}")
    ids=(${ids:#})
    compadd -a ids
}

