//! DOT's rules for applications, found by `validate` at the lines that break them: without a database, and only where
//! the file writes the fields that a rule needs.

use insta::assert_snapshot;

use super::support::Sandbox;

const BROKEN: &str = r#"[provider]
allowed_redirect_uri_schemes = ["https", "com.example.app"]

[applications.web]
authorization_grant_type = "authorization-code"
redirect_uris = [
    "https://shop.example.com/callback",
    "http://shop.example.com/callback",
    "https://shop.example.com/callback#top",
    "https://*.shop.example.com/callback",
    "com.example.app:/callback",
    "https:///callback",
]
post_logout_redirect_uris = ["anything"]
allowed_origins = ["https://shop.example.com", "https://shop.example.com/", "https://shop.example.com?x"]

[applications.native]
client_type = "public"
authorization_grant_type = "implicit"
redirect_uris = []
algorithm = "HS256"

[applications.api]
client_type = "confidential"
authorization_grant_type = "password"
algorithm = "HS256"
hash_client_secret = true

[applications.old]
algorithm = "RS256"
client_secret = { env = "OLD_SECRET" }

[applications.older]
client_secret = { file = "older.secret" }
"#;

/// Everything that a rule wants to know of the others is left out, or the server allows it.
const SOUND: &str = r#"[provider]
allowed_redirect_uri_schemes = ["https"]
allowed_schemes = ["http"]
allow_uri_wildcards = true
oidc_rsa_private_key = true

[applications.web]
authorization_grant_type = "authorization-code"

[applications.native]
redirect_uris = []
algorithm = "HS256"

[applications.api]
redirect_uris = ["https://*.apps.example.com/callback?x=1"]
allowed_origins = ["http://localhost:8080"]
algorithm = "RS256"

[applications.plain]
algorithm = "HS256"
client_type = "confidential"
client_secret = { env = "PLAIN_SECRET" }
hash_client_secret = false

[applications.hex]
client_secret = { env = "HEX_SECRET" }
"#;

#[test]
fn what_dot_would_refuse_is_refused_at_its_line() {
    let mut sandbox = Sandbox::new();
    sandbox.write("oauth.toml", BROKEN);
    // The first is a name and nothing else: a message that names it shows the secret.
    sandbox.set("OLD_SECRET", "argon2");
    sandbox.write("older.secret", "scrypt$x\n");
    let output = sandbox.oauthctl(&["validate"]).exits(64);
    assert_snapshot!(output);
    for secret in ["argon2", "scrypt"] {
        assert!(!output.stderr.contains(secret), "{output}");
    }
}

#[test]
fn what_is_not_written_breaks_no_rule() {
    let mut sandbox = Sandbox::new();
    sandbox.write("oauth.toml", SOUND);
    // Signing keys as people make them: no server of today takes 32 hexadecimal digits for a hash.
    sandbox.set("PLAIN_SECRET", "0123456789abcdef0123456789abcdef");
    sandbox.set("HEX_SECRET", "0123456789abcdef0123456789abcdef");
    assert_snapshot!(sandbox.oauthctl(&["validate"]));
}
