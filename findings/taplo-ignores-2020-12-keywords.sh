#!/usr/bin/env bash
# taplo passes a TOML file that its JSON Schema (draft 2020-12) forbids, and says nothing of the keywords it skipped.
#
# Versions: taplo 0.9.3 (PyPI); beside it tombi 1.9.6 and check-jsonschema 0.39.0 (PyPI).
#
# Behaviour: the schema's "$schema" names draft 2020-12. taplo applies properties, type and format, and leaves out
# unevaluatedProperties, dependentRequired and minContains, which came after draft 7: exit status 0, no warning. The
# two other tools report all three. Where they agree on keywords they differ on values: for taplo and check-jsonschema
# 7.0 is an integer and an unquoted date is a string, for tombi neither; only taplo checks "format": "uri".
#
# Belief: a validator that is given a schema of a draft that it does not know says so, or applies it whole; and one
# schema has one verdict on one file.
#
# Matters: a configuration of OAuth clients is checked in the editor (Even Better TOML is taplo) and by taplo in
# pre-commit. A schema that closes an object which is composed with allOf can only do it by unevaluatedProperties, so
# the misspelt "redirect_uri" is green in both, and red for the first time in the pipeline of whoever deploys. Schemas
# for taplo need additionalProperties and dependencies; and a schema is tested in each tool that will read it.
#
# Seen (exit status of taplo, tombi, check-jsonschema; 0 is "valid"):
#> client = { name = "shop", redirect_uris = "x" }: 0 0 0
#> client = { name = "shop", redirect_uri = "x" } (unevaluatedProperties): 0 1 1
#> grant = { pkce = "required" } (dependentRequired): 0 1 1
#> scopes = ["read"] (minContains): 0 1 1
#> days = 7.0 (type integer): 0 1 0
#> since = 2026-01-01 (type string): 0 1 0
#> home = "not a uri" (format uri): 1 0 0
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile \
    --target "$scratch/python" taplo==0.9.3 tombi==1.9.6 check-jsonschema==0.39.0
export PYTHONPATH=$scratch/python PATH=$scratch/python/bin:$PATH NO_COLOR=1

cat >"$scratch/schema.json" <<'END'
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "client": {
      "allOf": [{ "type": "object", "properties": { "name": { "type": "string" } } }],
      "properties": { "redirect_uris": { "type": "string" } },
      "unevaluatedProperties": false
    },
    "grant": { "type": "object", "dependentRequired": { "pkce": ["method"] } },
    "scopes": { "type": "array", "contains": { "const": "read" }, "minContains": 2 },
    "days": { "type": "integer" },
    "since": { "type": "string" },
    "home": { "type": "string", "format": "uri" }
  }
}
END

verdicts() { # TOML: three exit statuses
    local status=() tool
    printf '#:schema ./schema.json\n%s\n' "$1" >"$scratch/file.toml"
    for tool in "taplo check --schema file://$scratch/schema.json" "tombi lint --offline" \
        "check-jsonschema --schemafile schema.json"; do
        # The commands are words without spaces of their own.
        # shellcheck disable=SC2086
        if (cd "$scratch" && $tool file.toml) >>"$scratch/log" 2>&1; then status+=(0); else status+=("$?"); fi
    done
    echo "${status[*]}"
}
observe() {
    echo "client = { name = \"shop\", redirect_uris = \"x\" }: $(verdicts 'client = { name = "shop", redirect_uris = "x" }')"
    while IFS='|' read -r text why; do
        echo "$text ($why): $(verdicts "$text")"
    done <<'END'
client = { name = "shop", redirect_uri = "x" }|unevaluatedProperties
grant = { pkce = "required" }|dependentRequired
scopes = ["read"]|minContains
days = 7.0|type integer
since = 2026-01-01|type string
home = "not a uri"|format uri
END
}

# The lines of the header that begin with "#>" are what was seen.
seen=$(observe)
echo "$seen"
if ! diff <(sed -n 's/^#> //p' "$0") <(echo "$seen"); then
    echo "This is not what the header says." >&2
    exit 1
fi
