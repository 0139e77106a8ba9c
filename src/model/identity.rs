//! Which database it is, beyond its name.

use serde::{Deserialize, Serialize};

/// What distinguishes one database from another, as far as a role may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The cluster's `system_identifier`; `None`: the server keeps it from the role.
    pub system: Option<String>,
    /// The random identity in the ledger; `None`: there is no ledger, or the role may not read it.
    pub ledger: Option<String>,
    /// The server's address and port, as the connection has them.
    pub address: String,
    /// The database's name.
    pub database: String,
    pub oid: u32,
}

/// How sure it is that two databases are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// They are one.
    Same,
    /// They have the same name, oid and address, and nothing better to compare.
    Likely,
    /// They are two.
    Different,
}

impl Identity {
    /// Whether another role's or another time's look was at the same database. The best that both have decides.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Sameness {
        let Self { system, ledger, address, database, oid } = self;
        if (database, oid) != (&other.database, &other.oid) {
            return Sameness::Different;
        }
        let known = [(system, &other.system), (ledger, &other.ledger)];
        let best = known.into_iter().find_map(|(one, two)| Some(one.as_ref()? == two.as_ref()?));
        match best {
            Some(true) => Sameness::Same,
            None if *address == other.address => Sameness::Likely,
            Some(false) | None => Sameness::Different,
        }
    }

    /// Whether there is nothing better than an address, which another server may have one day.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        self.system.is_none() && self.ledger.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(system: &str, ledger: &str, address: &str) -> Identity {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Identity {
            system: some(system),
            ledger: some(ledger),
            address: address.to_owned(),
            database: "shop".to_owned(),
            oid: 5,
        }
    }

    #[test]
    fn the_best_that_both_have_decides() {
        for (one, two, expected) in [
            // An address may change under a server; its identifier does not.
            (("7", "", "a"), ("7", "", "b"), Sameness::Same),
            (("7", "", "a"), ("8", "", "a"), Sameness::Different),
            (("7", "x", "a"), ("8", "x", "a"), Sameness::Different),
            (("7", "x", "a"), ("7", "y", "a"), Sameness::Same),
            (("", "x", "a"), ("", "x", "b"), Sameness::Same),
            (("", "x", "a"), ("", "y", "a"), Sameness::Different),
            (("7", "x", "a"), ("", "x", "b"), Sameness::Same),
            (("7", "", "a"), ("", "x", "a"), Sameness::Likely),
            (("7", "", "a"), ("", "x", "b"), Sameness::Different),
            (("", "", "a"), ("", "", "a"), Sameness::Likely),
            (("", "", "a"), ("", "", "b"), Sameness::Different),
        ] {
            let (one, two) = (identity(one.0, one.1, one.2), identity(two.0, two.1, two.2));
            assert_eq!(one.compare(&two), expected, "{one:?} {two:?}");
            assert_eq!(two.compare(&one), expected, "{two:?} {one:?}");
        }
        let here = identity("7", "", "a");
        for other in
            [Identity { oid: 6, ..here.clone() }, Identity { database: "x".to_owned(), ..here.clone() }]
        {
            assert_eq!(here.compare(&other), Sameness::Different);
        }
    }
}
