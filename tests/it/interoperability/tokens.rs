//! Clients that `oauthctl` has made ask a running server for tokens.

use serde_json::json;

use super::endpoint::{Endpoint, percent};
use super::{ODD, delivered, world};
use crate::support::dot::Release;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://spa.example/cb?x=1";

/// The status of a request for a client's own token: with HTTP Basic, and with the secret in the body.
fn statuses(server: &Endpoint, client_id: &str, secret: &str) -> [u16; 2] {
    let answers = [
        server.token_basic(client_id, secret, &[GRANT]),
        server.token(&[GRANT, ("client_id", client_id), ("client_secret", secret)]),
    ];
    for answer in &answers {
        match answer.status {
            200 => assert!(answer.json()["access_token"].as_str().is_some_and(|token| token.len() >= 20)),
            _ => assert_eq!(answer.json(), json!({ "error": "invalid_client" })),
        }
    }
    answers.map(|answer| answer.status)
}

#[test]
fn a_secret_gets_a_token_until_it_is_rotated() {
    for release in Release::ALL {
        let (database, mut sandbox) = world(release);
        sandbox.set("ODD", ODD);
        // Without a file: with all the iterations.
        let command = ["createapplication", "--client-id", "command", "confidential", "client-credentials"];
        let created = sandbox.oauthctl(&command).exits(0).stdout;
        let (_, of_command) = created.trim_end().rsplit_once("client_secret: ").unwrap();

        let kind = "client_type = \"confidential\"\nauthorization_grant_type = \"client-credentials\"\n";
        let mut toml = format!(
            "[provider]\nclient_secret_iterations = 1000\n\
             [applications.service]\n{kind}[applications.\"ünï code\"]\n{kind}client_secret = {{ env = \"ODD\" }}\n"
        );
        if release == Release::Newest {
            toml += &format!("[applications.clear]\n{kind}hash_client_secret = false\n");
        }
        sandbox.write("oauth.toml", toml);
        sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "made.json"]).exits(0);
        let made = delivered(&sandbox, "made.json");

        let server = Endpoint::start(release, &database);
        assert_eq!(statuses(&server, "service", &made["service"]), [200, 200], "{release:?}");
        assert_eq!(statuses(&server, "ünï code", ODD), [200, 200], "{release:?}");
        assert_eq!(statuses(&server, "command", of_command), [200, 200], "{release:?}");
        assert_eq!(statuses(&server, "service", of_command), [401, 401], "{release:?}");
        if release == Release::Newest {
            assert_eq!(statuses(&server, "clear", &made["clear"]), [200, 200]);
            assert_eq!(statuses(&server, "clear", &made["service"]), [401, 401]);
        }

        sandbox.oauthctl(&["rotate-secret", "service", "--yes", "--secrets-out", "rotated.json"]).exits(0);
        let rotated = delivered(&sandbox, "rotated.json");
        assert_ne!(rotated["service"], made["service"]);
        assert_eq!(statuses(&server, "service", &made["service"]), [401, 401], "{release:?}");
        assert_eq!(statuses(&server, "service", &rotated["service"]), [200, 200], "{release:?}");
    }
}

#[test]
fn a_public_client_gets_a_token_for_its_code_and_its_verifier() {
    for release in Release::ALL {
        let (database, sandbox) = world(release);
        sandbox.write(
            "oauth.toml",
            format!(
                "[applications.spa]\nclient_type = \"public\"\nauthorization_grant_type = \"authorization-code\"\n\
                 redirect_uris = [\"https://other.example/\", \"{CALLBACK}\"]\nskip_authorization = true\n"
            ),
        );
        sandbox.oauthctl(&["apply", "--yes", "--secrets-out", "made.json"]).exits(0);
        let server = Endpoint::start(release, &database);
        let authorize = |uri: &str| {
            server.get(&format!(
                "/o/authorize/?response_type=code&client_id=spa&redirect_uri={}&code_challenge={CHALLENGE}\
                 &code_challenge_method=S256&scope=read",
                percent(uri)
            ))
        };
        let foreign = authorize("https://evil.example/cb");
        assert_eq!(foreign.status, 400, "{release:?} {foreign:?}");
        for (verifier, status) in [("x".repeat(43).as_str(), 400), (VERIFIER, 200)] {
            let answer = authorize(CALLBACK);
            let code = answer.redirect_parameter("code").unwrap_or_else(|| panic!("{answer:?}"));
            let answer = server.token(&[
                ("grant_type", "authorization_code"),
                ("client_id", "spa"),
                ("code", code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", verifier),
            ]);
            assert_eq!(answer.status, status, "{release:?} {answer:?}");
            assert_eq!(answer.json()["refresh_token"].is_string(), status == 200, "{answer:?}");
        }
        // And oauthctl sees what the server has issued.
        let listed = sandbox.oauthctl(&["show", "spa", "--format", "json"]).exits(0);
        let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        assert_eq!(listed.to_string().matches("\"access_tokens\":1").count(), 1, "{listed}");
    }
}
