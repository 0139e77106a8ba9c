
# Client ids of the file. oauthctl reads the file and no database, and says nothing where it cannot.
function __oauthctl_client_ids
    set -l words (commandline -opc)
    oauthctl completions --client-ids -- $words[2..-1] 2>/dev/null
end
