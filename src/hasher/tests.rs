//! Real Django's hashes, and what is made here, verified here.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const ARGON2_VARIANTS: [&str; 4] = [
    "argon2$argon2i$v=19$m=64,t=2,p=2$c2FsdHNhbHRzYWx0$a040HV8WAJZ0YZUP4JWtwQ",
    "argon2$argon2d$v=19$m=64,t=2,p=2$c2FsdHNhbHRzYWx0$XxNJSrIPxgkeprHV3MiX/Q",
    "argon2$argon2id$v=16$m=64,t=2,p=2$c2FsdHNhbHRzYWx0$B9Vej6LEwfUsxamXXpRrNQ",
    "argon2$argon2id$v=19$m=64,t=2,p=2$c2FsdHNhbHRzYWx0$PDzKzxX/lh/LjiCE3Ughew",
];
const BCRYPT_SPELLINGS: [&str; 3] = [
    "bcrypt$$2a$05$Nmz4GnnBBLRtH1nOAMloluE5BkKj3Tn6FI9EwO3LXMRiCpGe66W4G",
    "bcrypt$$2b$05$ggrkk6XCTxF3EkcB.kp/quQd3.a0xsXadbnz8SNd1bHbAaS4YN4qm",
    "bcrypt$$2y$05$XbV0fE8sbr/k2brLBi89ke58yNI1g/oMq8APKEbN7.FhGojJsxb1C",
];
const BCRYPT_LONG: &str = "bcrypt$$2b$05$fzFD2awNCDyzq1seXo3j8uossLJ.qtWPCrF.ECUhRmJaNh2AKFVna";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn stored(text: &str) -> StoredSecret {
    StoredSecret::new(text.to_owned())
}

fn vectors() -> Vec<Value> {
    let text = include_str!("../../tests/data/cases/hasher_vectors.json");
    let mut file: Value = serde_json::from_str(text).unwrap();
    let Value::Array(vectors) = file["vectors"].take() else { panic!("no vectors") };
    vectors
}

#[test]
fn what_django_made_is_recognised_and_verified() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 50);
    let rows: Vec<_> = vectors.iter().map(|vector| stored(vector["encoded"].as_str().unwrap())).collect();
    let right: Vec<_> = vectors.iter().map(|vector| secret(vector["plaintext"].as_str().unwrap())).collect();
    // One wrong secret per hasher: they are slow.
    let samples: BTreeMap<_, _> =
        vectors.iter().zip(&rows).map(|(vector, row)| (vector["hasher"].as_str(), row)).collect();
    let wrong = secret("S3cret");
    let items: Vec<_> = rows.iter().zip(&right).chain(samples.values().map(|row| (*row, &wrong))).collect();

    let mut progress = Vec::new();
    let two = NonZeroUsize::MIN.saturating_add(1);
    let mut verdicts = verify_all(&items, two, &mut |done, total| {
        progress.push((done, total));
        ControlFlow::Continue(())
    })
    .unwrap();

    assert_eq!(progress, (1..=60).map(|done| (done, 60)).collect::<Vec<_>>());
    assert_eq!(verdicts.split_off(50), vec![Verdict::Differs; 10]);
    for ((vector, row), verdict) in vectors.iter().zip(&rows).zip(verdicts) {
        assert_eq!(verdict, Verdict::Matches, "{vector}");
        let algorithm = vector["identify_hasher"].as_str().unwrap().parse().ok();
        assert_eq!(identify(row.expose()), algorithm, "{vector}");
        assert_eq!(row.algorithm(), algorithm, "{vector}");
        let is_obsolete = matches!(algorithm, Some(Algorithm::UnsaltedMd5 | Algorithm::UnsaltedSha1));
        assert_eq!(EncodedHash::parse(row.expose()).is_err(), is_obsolete, "{vector}");
    }
}

#[test]
fn other_argon2_variants_and_versions() {
    // Made by argon2-cffi 25.1.0 with `hash_secret(b"s3cret", b"saltsaltsalt", 2, 64, 2, 16, type, version)`.
    for text in ARGON2_VARIANTS {
        assert_eq!(stored(text).verify(&secret("s3cret")), Verdict::Matches, "{text}");
        assert_eq!(stored(text).verify(&secret("S3cret")), Verdict::Differs, "{text}");
    }
}

#[test]
fn bcrypt_spellings_and_its_72_bytes() {
    // Made by bcrypt 4.3.0, which still cuts: `hashpw(b"a" * 80, salt)`.
    for text in BCRYPT_SPELLINGS {
        assert_eq!(stored(text).verify(&secret("s3cret")), Verdict::Matches, "{text}");
        assert_eq!(stored(text).verify(&secret("S3cret")), Verdict::Differs, "{text}");
    }
    let row = stored(BCRYPT_LONG);
    let cannot = Verdict::CannotVerify { algorithm: "bcrypt".to_owned(), reason: Unverifiable::TooLong };
    assert_eq!(row.verify(&secret(&"a".repeat(80))), cannot);
    assert_eq!(row.verify(&secret(&"a".repeat(72))), Verdict::Matches);
    assert_eq!(row.verify(&secret(&"b".repeat(80))), Verdict::Differs);
}

#[test]
fn what_is_no_hash_is_compared_as_text() {
    // Those that name a hasher are malformed: Django raises ValueError, DOT compares the text.
    for text in [
        "",
        "s3cret",
        "argon2",
        "default",
        "scrypt$x",
        "pbkdf2_sha256$abc$salt$hash",
        "pbkdf2_sha256$1000$$hash",
        "scrypt$1000$salt$8$1$hash",
        "argon2$argon2x$v=19$m=64,t=2,p=2$c2FsdA$aGFzaA",
        "bcrypt$$2b$12$short",
        "md5$$x",
        "0123456789ABCDEF0123456789ABCDEF",
        "0123456789abcdef0123456789abcdef",
        "custom$abc",
        "custom$1$salt$0123456789abcdef0123456789abcdef",
    ] {
        assert_eq!(stored(text).verify(&secret(text)), Verdict::Matches, "{text}");
    }
    for text in ["", "s3cret", "argon2", "scrypt$x", "0123456789abcdef0123456789abcdef"] {
        assert_eq!(stored(text).verify(&secret("other")), Verdict::Differs, "{text}");
    }
}

#[test]
fn the_text_of_a_hash_is_not_its_secret() {
    for text in [
        "pbkdf2_sha256$1$a$b",
        "pbkdf2_sha256$0$a$b",
        "md5$a$b",
        "argon2$argon2id$nonsense",
        "default$1$a$b",
        "bcrypt$$2b$04$......................",
    ] {
        assert_eq!(stored(text).verify(&secret(text)), Verdict::Differs, "{text}");
    }
}

#[test]
fn hostile_parameters_are_not_computed() {
    let digest = "A".repeat(43);
    for (text, algorithm, parameters) in [
        (format!("pbkdf2_sha256$4000000000$s${digest}="), "pbkdf2_sha256", "4000000000 iterations"),
        (format!("pbkdf2_sha1$99999999999999999999$s${digest}="), "pbkdf2_sha1", "numbers beyond 32 bits"),
        (
            format!("argon2$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ${digest}"),
            "argon2",
            "m=4294967295, t=1, p=1",
        ),
        (
            format!("argon2$argon2id$v=19$m=64,t=4294967295,p=1$c2FsdHNhbHQ${digest}"),
            "argon2",
            "m=64, t=4294967295, p=1",
        ),
        (format!("scrypt$2147483648$s$8$1${digest}="), "scrypt", "N=2147483648, r=8, p=1"),
        (format!("scrypt$2$s$4294967295$4294967295${digest}="), "scrypt", "N=2, r=4294967295, p=4294967295"),
        (format!("scrypt$2$s$1$4294967295${digest}="), "scrypt", "N=2, r=1, p=4294967295"),
        (format!("bcrypt$$2b$31${}", ".".repeat(53)), "bcrypt", "cost 31"),
    ] {
        let reason = Unverifiable::TooExpensive { parameters: parameters.to_owned() };
        let expected = Verdict::CannotVerify { algorithm: algorithm.to_owned(), reason };
        assert_eq!(stored(&text).verify(&secret("s3cret")), expected, "{text}");
    }
}

#[test]
fn the_argon2_digest_may_not_be_enormous() {
    // The column holds 255 characters, but the schema of a swapped model need not.
    let text = format!("argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ${}", "A".repeat(4_000_000));
    assert_eq!(stored(&text).verify(&secret("s3cret")), Verdict::Differs);
}

#[test]
fn hashers_that_are_not_there_are_named() {
    let verdict = |algorithm: &str, reason| Verdict::CannotVerify { algorithm: algorithm.to_owned(), reason };
    let sha512 = stored("pbkdf2_sha512$1000$salt$0123456789abcdef0123456789abcdef");
    assert_eq!(sha512.verify(&secret("s3cret")), verdict("pbkdf2_sha512", Unverifiable::UnknownAlgorithm));
    assert_eq!(
        stored("crypt$$ab1Hv2Lg7ltQo").verify(&secret("s3cret")),
        verdict("crypt", Unverifiable::Unsupported)
    );
    assert_eq!(
        Unverifiable::Unsupported.to_string(),
        "it depends on the server's C library, and Django 5.0 dropped it"
    );
}

#[test]
fn debug_shows_no_content() {
    let salt = Salt::parse("pepper").unwrap();
    let hash = Hasher::Pbkdf2Sha256 { iterations: 1 }.encode(&secret("hunter2"), &salt).unwrap();
    assert_eq!(format!("{:?}", stored(hash.as_str())), "StoredSecret(pbkdf2_sha256$…)");
    assert_eq!(format!("{:?}", StoredSecret::new("hunter2".to_owned())), "StoredSecret(…)");
}

#[test]
fn rows_know_whether_they_are_hashed() {
    assert!(stored("pbkdf2_sha256$1$a$b").is_hashed());
    assert!(stored("sha1$$fef341f85d87439e7d91a2d465b9871ef66b5e98").is_hashed());
    assert!(!stored("9cc2ae8a1ba7a93da39b46fc1019c481").is_hashed());
    assert!(!stored("s3cret").is_hashed());
    assert!(!stored("argon2").is_hashed());
    assert!(stored("s3cret").is_text("s3cret"));
    assert!(!stored("s3cret").is_text("s3cre"));
}

#[test]
fn settings_lead_to_hashers() {
    let hasher =
        |name, iterations| Hasher::from_settings(name, iterations).map_err(|error| error.to_string());
    assert_eq!(Hasher::default(), Hasher::Pbkdf2Sha256 { iterations: 1_500_000 });
    assert_eq!(hasher("pbkdf2_sha256", None), Ok(Hasher::default()));
    assert_eq!(hasher("pbkdf2_sha1", Some(5)), Ok(Hasher::Pbkdf2Sha1 { iterations: 5 }));
    assert_eq!(hasher("scrypt", None), Ok(Hasher::Scrypt));
    for (name, iterations, message) in [
        (
            "argon2",
            None,
            "`argon2` hashes are verified but not written: a server without the library `argon2-cffi` would accept \
             the text of the hash as the secret; use `pbkdf2_sha256`, which every Django reads",
        ),
        ("sha512", None, "`sha512` is not one of Django's password hashers; use `pbkdf2_sha256`"),
        ("pbkdf2_sha256", Some(0), "0 iterations are out of range: at least 1, at most 40000000"),
        ("scrypt", Some(5), "`scrypt` has no iteration count; leave it out, or use `pbkdf2_sha256`"),
    ] {
        assert_eq!(hasher(name, iterations), Err(message.to_owned()));
    }
}

#[test]
fn salts_are_those_of_django() {
    let salt = Salt::generate(&mut |bytes: &mut [u8]| bytes.fill(1)).unwrap();
    assert_eq!(salt.as_str(), "B".repeat(22));
    assert_eq!(Salt::parse(""), Err(SaltError));
    assert_eq!(Salt::parse("a$b"), Err(SaltError));
}

/// On all cores, and in the order of the items although the first ones take longest.
#[test]
fn verdicts_found_together_are_in_order() {
    let hash = |number: u32, text: &str| {
        let hasher = Hasher::Pbkdf2Sha256 { iterations: if number < 2 { 20_000 } else { 10 } };
        StoredSecret::new(
            hasher.encode(&secret(text), &Salt::parse("salt").unwrap()).unwrap().as_str().to_owned(),
        )
    };
    let stored: Vec<_> = (0..20).map(|number| hash(number, &number.to_string())).collect();
    let declared: Vec<_> = (0..20)
        .map(|number| secret(&if number % 3 == 0 { "no".to_owned() } else { number.to_string() }))
        .collect();
    let items: Vec<_> = stored.iter().zip(&declared).collect();
    let mut counts = Vec::new();
    let verdicts = verify_all(&items, NonZeroUsize::MIN.saturating_add(3), &mut |done, total| {
        counts.push((done, total));
        ControlFlow::Continue(())
    });
    let matches: Vec<bool> =
        verdicts.unwrap().into_iter().map(|verdict| verdict == Verdict::Matches).collect();
    assert_eq!(matches, (0..20).map(|number| number % 3 != 0).collect::<Vec<_>>());
    assert_eq!(counts, (1..=20).map(|done| (done, 20)).collect::<Vec<_>>());
}

#[test]
fn hashing_stops_when_it_is_asked_to() {
    let secrets: Vec<_> = (0..1_000).map(|number| secret(&number.to_string())).collect();
    let salt = Salt::parse("salt").unwrap();
    let items: Vec<_> = secrets.iter().map(|secret| (secret, &salt)).collect();
    let mut calls = 0;
    let hasher = Hasher::Pbkdf2Sha256 { iterations: 10_000 };
    let stopped = encode_all(hasher, &items, NonZeroUsize::MIN.saturating_add(1), &mut |done, _| {
        calls += 1;
        if done < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(stopped, Err(Stopped));
    assert!(calls < 100, "{calls}");
}

#[test]
fn hashes_made_together_are_in_order() {
    let secrets: Vec<_> = (0..20).map(|number| secret(&number.to_string())).collect();
    let salt = Salt::parse("salt").unwrap();
    let items: Vec<_> = secrets.iter().map(|secret| (secret, &salt)).collect();
    let hasher = Hasher::Pbkdf2Sha256 { iterations: 10 };
    let three = NonZeroUsize::MIN.saturating_add(2);
    let together = encode_all(hasher, &items, three, &mut |_, _| ControlFlow::Continue(())).unwrap().unwrap();
    let alone: Vec<_> = items.iter().map(|(secret, salt)| hasher.encode(secret, salt).unwrap()).collect();
    assert_eq!(together, alone);
    assert!(encode_all(hasher, &[], three, &mut |_, _| ControlFlow::Break(())).unwrap().unwrap().is_empty());
}

#[test]
fn scrypt_is_made_as_django_makes_it() {
    let hash = Hasher::Scrypt
        .encode(&secret("correct horse battery staple"), &Salt::parse("iMIu96DeA9mWd4ZdQLTLB7").unwrap())
        .unwrap();
    let of_django = vectors().into_iter().find(|vector| vector["hasher"] == "scrypt").unwrap();
    assert_eq!(of_django["encoded"], hash.as_str());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_made_here_is_verified_here(
        text in any::<String>(),
        other in any::<String>(),
        salt in "[^$]{1,30}",
        iterations in 1u32..50,
    ) {
        for hasher in [Hasher::Pbkdf2Sha256 { iterations }, Hasher::Pbkdf2Sha1 { iterations }] {
            let hash = hasher.encode(&secret(&text), &Salt::parse(&salt).unwrap()).unwrap();
            let row = StoredSecret::from(&hash);
            prop_assert_eq!(EncodedHash::parse(hash.as_str()), Ok(hash.clone()));
            prop_assert_eq!(row.verify(&secret(&text)), Verdict::Matches);
            prop_assert_eq!(row.verify(&secret(&other)), Verdict::from(text == other));
            prop_assert_eq!(looks_hashed(hash.as_str()).is_err(), true);
        }
    }

    #[test]
    fn made_up_hashes_match_nothing_and_harm_nothing(
        name in prop::sample::select(Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>()),
        rest in "[$0-9a-z=,./é]{0,40}",
        text in ".{0,20}",
    ) {
        let row = stored(&format!("{name}${rest}"));
        prop_assert!(row.verify(&secret(&text)) != Verdict::Matches || row.is_text(&text));
    }
}
