//! What is tried, and in which order: the decisions of `attempt`, without a socket. Pure.

use tokio_postgres::config as driver;

use crate::conninfo::{SslMode, TargetSessionAttrs};

/// The kinds of servers that the hosts are asked for, one pass over all hosts each.
pub(super) const fn passes(wanted: &TargetSessionAttrs) -> &[TargetSessionAttrs] {
    match wanted {
        TargetSessionAttrs::PreferStandby => &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any],
        only => std::slice::from_ref(only),
    }
}

/// The first way to connect, and the second one, for a result that could depend on encryption.
pub(super) const fn ways(mode: SslMode, is_socket: bool) -> (driver::SslMode, Option<driver::SslMode>) {
    if is_socket {
        return (driver::SslMode::Disable, None);
    }
    match mode {
        SslMode::Disable => (driver::SslMode::Disable, None),
        SslMode::Allow => (driver::SslMode::Disable, Some(driver::SslMode::Require)),
        SslMode::Prefer => (driver::SslMode::Prefer, Some(driver::SslMode::Disable)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (driver::SslMode::Require, None),
    }
}

/// Whether the session has to be asked what kind of server it is with.
pub(super) const fn is_asked(wanted: TargetSessionAttrs) -> bool {
    !matches!(wanted, TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby)
}

/// Why a server is not of the kind that is wanted; `None`: it is.
pub(super) const fn misfit(
    wanted: TargetSessionAttrs,
    is_standby: bool,
    is_read_only: bool,
) -> Option<&'static str> {
    match wanted {
        TargetSessionAttrs::ReadWrite if is_standby || is_read_only => Some("the session is read-only"),
        TargetSessionAttrs::ReadOnly if !is_standby && !is_read_only => Some("the session is not read-only"),
        TargetSessionAttrs::Primary if is_standby => Some("the server is a standby"),
        TargetSessionAttrs::Standby if !is_standby => Some("the server is not a standby"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    use super::*;

    #[test]
    fn only_prefer_standby_passes_twice() {
        for (wanted, expected) in [
            (Any, &[Any][..]),
            (ReadWrite, &[ReadWrite]),
            (ReadOnly, &[ReadOnly]),
            (Primary, &[Primary]),
            (Standby, &[Standby]),
            (PreferStandby, &[Standby, Any]),
        ] {
            assert_eq!(passes(&wanted), expected, "{wanted:?}");
        }
    }

    #[test]
    fn allow_begins_without_tls_and_prefer_with_it() {
        use driver::SslMode::{Disable, Prefer, Require};
        for (mode, over_tcp) in [
            (SslMode::Disable, (Disable, None)),
            (SslMode::Allow, (Disable, Some(Require))),
            (SslMode::Prefer, (Prefer, Some(Disable))),
            (SslMode::Require, (Require, None)),
            (SslMode::VerifyCa, (Require, None)),
            (SslMode::VerifyFull, (Require, None)),
        ] {
            assert_eq!(ways(mode, false), over_tcp, "{mode:?}");
            assert_eq!(ways(mode, true), (Disable, None), "{mode:?} over a socket");
        }
    }

    #[test]
    fn a_server_of_another_kind_is_refused() {
        const IS_READ_ONLY: Option<&str> = Some("the session is read-only");
        const IS_NOT: Option<&str> = Some("the session is not read-only");
        const IS_STANDBY: Option<&str> = Some("the server is a standby");
        const IS_PRIMARY: Option<&str> = Some("the server is not a standby");
        // A standby whose session may write does not exist, but the answer must not depend on that.
        let servers = [(false, false), (false, true), (true, true), (true, false)];
        for (wanted, expected) in [
            (Any, [None; 4]),
            (PreferStandby, [None; 4]),
            (ReadWrite, [None, IS_READ_ONLY, IS_READ_ONLY, IS_READ_ONLY]),
            (ReadOnly, [IS_NOT, None, None, None]),
            (Primary, [None, None, IS_STANDBY, IS_STANDBY]),
            (Standby, [IS_PRIMARY, IS_PRIMARY, None, None]),
        ] {
            let found = servers.map(|(is_standby, is_read_only)| misfit(wanted, is_standby, is_read_only));
            assert_eq!(found, expected, "{wanted:?}");
            let matters = expected.iter().any(Option::is_some);
            assert_eq!(is_asked(wanted), matters, "{wanted:?}: a question whose answer does not matter");
        }
    }
}
