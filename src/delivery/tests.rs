//! Files that are made, kept, taken back and refused.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use proptest::prelude::*;

use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// Delivers to `name` in a new directory and returns the content of the file.
fn deliver(name: &str, secrets: &[(&str, &str)]) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let secrets: Vec<_> = secrets.iter().map(|(id, text)| (*id, secret(text))).collect();
    let items: Vec<_> = secrets.iter().map(|(id, secret)| (*id, secret)).collect();
    let mut delivery = Delivery::prepare(&path).map_err(|error| error.to_string())?;
    delivery.write(&items).map_err(|error| error.to_string().replace(&path.display().to_string(), name))?;
    delivery.keep();
    Ok(fs::read_to_string(&path).unwrap())
}

#[test]
fn the_file_is_private_from_its_creation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    let mut delivery = Delivery::prepare(&path).unwrap();
    assert_eq!(mode(), 0o600);
    delivery.write(&[("web", &secret("s3cret"))]).unwrap();
    assert_eq!(mode(), 0o600);
    delivery.keep();
    assert_eq!(mode(), 0o600);
}

#[test]
fn what_is_not_kept_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    let mut delivery = Delivery::prepare(&path).unwrap();
    delivery.write(&[("web", &secret("s3cret"))]).unwrap();
    drop(delivery);
    assert!(!path.exists());
}

#[test]
fn another_file_that_took_the_name_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    let delivery = Delivery::prepare(&path).unwrap();
    fs::rename(&path, directory.path().join("moved")).unwrap();
    fs::write(&path, "somebody's").unwrap();
    drop(delivery);
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
}

#[test]
fn writing_again_replaces() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.env");
    let mut delivery = Delivery::prepare(&path).unwrap();
    delivery.write(&[("web", &secret("a-long-first-secret"))]).unwrap();
    delivery.write(&[("web", &secret("short"))]).unwrap();
    delivery.keep();
    assert!(fs::read_to_string(&path).unwrap().ends_with("\nWEB_CLIENT_SECRET=short\n"));
}

#[test]
fn what_exists_is_neither_overwritten_nor_followed_nor_removed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file.json"), "precious").unwrap();
    fs::create_dir(at("directory.json")).unwrap();
    symlink(at("file.json"), at("link.json")).unwrap();
    symlink(at("nowhere"), at("dangling.json")).unwrap();
    for (name, what) in [
        ("file.json", Obstacle::File),
        ("directory.json", Obstacle::Directory),
        ("link.json", Obstacle::Symlink),
        ("dangling.json", Obstacle::Symlink),
    ] {
        let error = Delivery::prepare(&at(name)).unwrap_err();
        assert!(matches!(error, DeliveryError::Exists { what: found, .. } if found == what), "{error}");
        assert_eq!(error.to_string(), format!("cannot create {}: {what}", at(name).display()));
        assert!(fs::symlink_metadata(at(name)).is_ok(), "{name}");
    }
    assert_eq!(fs::read_to_string(at("file.json")).unwrap(), "precious");
    assert!(!at("nowhere").exists());
}

#[test]
fn a_directory_that_does_not_take_the_file_is_named() {
    let error = Delivery::prepare(Path::new("/proc/secrets.json")).unwrap_err();
    assert!(matches!(error, DeliveryError::Create { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot create /proc/secrets.json: "), "{error}");
    let error = Delivery::prepare(Path::new("/nonexistent/secrets.json")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot create /nonexistent/secrets.json: No such file or directory (os error 2)"
    );
}

#[test]
fn the_extension_decides() {
    for (name, format) in [
        ("a.json", Some(Format::Json)),
        ("a.JSON", Some(Format::Json)),
        (".env", Some(Format::Env)),
        ("prod.env", Some(Format::Env)),
        ("a.yaml", Some(Format::Kubernetes)),
        ("a.secret.yml", Some(Format::Kubernetes)),
        ("a.txt", None),
        ("json", None),
        ("-", None),
        ("..", None),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
    let error = deliver("secrets.txt", &[]).unwrap_err();
    assert!(error.ends_with("its name must end in .json, .env, .yaml or .yml"), "{error}");
}

#[test]
fn variables_are_named_after_the_client() {
    let text = deliver("x.env", &[("web", "abc123"), ("7-eleven.shop", "x"), ("café", "y")]).unwrap();
    assert_eq!(
        text,
        "# Client secrets, shown this once. Keep this file out of version control.\n\
         CAF__CLIENT_SECRET=y\nWEB_CLIENT_SECRET=abc123\n_7_ELEVEN_SHOP_CLIENT_SECRET=x\n"
    );
}

#[test]
fn names_that_would_be_shared_are_refused() {
    let collision = |file: &str, name: &str| {
        format!("cannot write {file}: the client ids \"a-b\" and \"A/B\" would both be called {name}")
    };
    assert_eq!(deliver("x.env", &[("a-b", "1"), ("A/B", "2")]), Err(collision("x.env", "A_B_CLIENT_SECRET")));
    assert!(deliver("x.yaml", &[("a-b", "1"), ("A/B", "2")]).is_ok());
    let error = deliver("x.yaml", &[("a b", "1"), ("a/b", "2")]).unwrap_err();
    assert_eq!(error, "cannot write x.yaml: the client ids \"a b\" and \"a/b\" would both be called a_b");
    assert!(deliver("x.json", &[("a-b", "1"), ("A/B", "2")]).is_ok());
}

#[test]
fn values_that_readers_disagree_about_are_refused_without_showing_them() {
    let error = deliver("x.env", &[("web", "hunter2 $HOME")]).unwrap_err();
    assert_eq!(
        error,
        "cannot write x.env: the secret of \"web\" has characters that not all readers of the format agree about"
    );
}

#[test]
fn manifests_are_what_kubernetes_takes() {
    let text = deliver("My Prod_Secrets.yaml", &[("web", "s3cret"), ("..", "x"), ("true", "y")]).unwrap();
    assert_eq!(
        text,
        "# Client secrets, shown this once. Keep this file out of version control.\n\
         apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"my-prod-secrets\"\ntype: Opaque\ndata:\n  \
         \"_.\": \"eA==\"\n  \"true\": \"eQ==\"\n  \"web\": \"czNjcmV0\"\n"
    );
    for (file, name) in
        [("-.yaml", "oauth-client-secrets"), ("a..-b-.c.yaml", "a.b.c"), ("日本.yml", "oauth-client-secrets")]
    {
        let text = deliver(file, &[]).unwrap();
        assert!(text.contains(&format!("name: \"{name}\"\ntype: Opaque\ndata: {{}}\n")), "{text}");
    }
    assert!(deliver("x.yaml", &[(&"a".repeat(254), "x")]).unwrap_err().ends_with("1 to 253 characters"));
}

#[test]
fn debug_shows_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let mut delivery = Delivery::prepare(&directory.path().join("x.json")).unwrap();
    delivery.write(&[("web", &secret("hunter2"))]).unwrap();
    assert!(!format!("{delivery:?}").contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn json_gives_back_what_went_in(secrets in prop::collection::btree_map(any::<String>(), any::<String>(), 0..8)) {
        let items: Vec<_> = secrets.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        let text = deliver("x.json", &items).unwrap();
        let read: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, secrets);
    }
}
