//! Whether a certificate bears the host's name, by libpq's rules (`fe-secure-common.c` and `fe-secure-openssl.c`).
//!
//! They are older than webpki's: without alternative names of the host's kind the subject's common name counts, and a
//! wildcard stands for exactly one whole leftmost label.

use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What a certificate says that it is for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
    common: Option<String>,
}

/// Fails unless the certificate bears the name.
pub fn verify(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), Error> {
    let names = Certificate::from_der(certificate)
        .map_err(|_| CertificateError::BadEncoding)
        .and_then(|certificate| names(&certificate))?;
    let matches = match host {
        ServerName::DnsName(name) => names.bear_name(name.as_ref()),
        ServerName::IpAddress(address) => names.bear_address(IpAddr::from(*address)),
        _ => false,
    };
    if matches {
        return Ok(());
    }
    Err(CertificateError::NotValidForNameContext { expected: host.to_owned(), presented: names.listed() }
        .into())
}

fn names(certificate: &Certificate) -> Result<Names, CertificateError> {
    let tbs = &certificate.tbs_certificate;
    let mut names = Names::default();
    let alternatives = tbs.get::<SubjectAltName>().map_err(|_| CertificateError::BadEncoding)?;
    for alternative in alternatives.into_iter().flat_map(|(_, SubjectAltName(alternatives))| alternatives) {
        match alternative {
            GeneralName::DnsName(name) => names.dns.push(name.to_string()),
            GeneralName::IpAddress(octets) => names.addresses.extend(address(octets.as_bytes())),
            _ => {}
        }
    }
    let mut attributes = tbs.subject.0.iter().flat_map(|set| set.0.iter());
    let common = attributes.find(|attribute| attribute.oid == COMMON_NAME);
    names.common = common.and_then(|common| String::from_utf8(common.value.value().to_vec()).ok());
    Ok(names)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

impl Names {
    fn bear_name(&self, host: &str) -> bool {
        let common = self.common.as_deref().filter(|_| self.dns.is_empty());
        self.dns.iter().map(String::as_str).chain(common).any(|name| is_same(name, host))
    }

    /// An address may also be a "DNS name" or, unless there are addresses, the common name.
    fn bear_address(&self, host: IpAddr) -> bool {
        let text = host.to_string();
        let common = self.common.as_deref().filter(|_| self.addresses.is_empty());
        self.addresses.contains(&host)
            || self.dns.iter().map(String::as_str).chain(common).any(|name| is_same(name, &text))
    }

    fn listed(&self) -> Vec<String> {
        let mut names = self.dns.clone();
        names.extend(self.addresses.iter().map(ToString::to_string));
        if names.is_empty() {
            names.extend(self.common.clone());
        }
        names
    }
}

fn is_same(name: &str, host: &str) -> bool {
    name.eq_ignore_ascii_case(host) || wildcard_covers(name, host)
}

/// `*.example.com` covers `db.example.com`, and neither `example.com` nor `a.b.example.com`.
fn wildcard_covers(pattern: &str, host: &str) -> bool {
    let (Some(domain), Some((label, rest))) = (pattern.strip_prefix("*."), host.split_once('.')) else {
        return false;
    };
    !domain.is_empty() && !label.is_empty() && rest.eq_ignore_ascii_case(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dns: &[&str], addresses: &[&str], common: Option<&str>) -> Names {
        Names {
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            common: common.map(str::to_owned),
        }
    }

    #[test]
    fn the_common_name_counts_only_without_alternatives_of_its_kind() {
        assert!(names(&[], &[], Some("db.example.com")).bear_name("DB.example.com"));
        assert!(!names(&["other"], &[], Some("db")).bear_name("db"));
        assert!(names(&[], &["10.0.0.1"], Some("db")).bear_name("db"));
        assert!(names(&["other"], &[], Some("10.0.0.1")).bear_address("10.0.0.1".parse().unwrap()));
        assert!(!names(&[], &["10.0.0.2"], Some("10.0.0.1")).bear_address("10.0.0.1".parse().unwrap()));
        assert!(names(&[], &["::1"], None).bear_address("::1".parse().unwrap()));
        assert!(!names(&[], &[], None).bear_name("db"));
    }

    #[test]
    fn a_wildcard_is_one_label() {
        let wildcard = names(&["*.example.com"], &[], None);
        assert!(wildcard.bear_name("db.Example.com"));
        for host in ["example.com", "a.b.example.com", ".example.com", "dbexample.com"] {
            assert!(!wildcard.bear_name(host), "{host}");
        }
        for pattern in ["*", "*.", "d*.example.com", "*example.com"] {
            assert!(!names(&[pattern], &[], None).bear_name("db.example.com"), "{pattern}");
        }
    }
}
