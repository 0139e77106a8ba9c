//! `postgres://` and `postgresql://` URIs, split as libpq's `conninfo_uri_parse_options` does.
//!
//! Stricter than libpq in one place: an unescaped `@` behind the host is an error, because then a piece of a password
//! that was not percent-encoded would be taken for a host or a database, and be printed as one.

use super::pairs::Pair;

const PREFIXES: [&str; 2] = ["postgresql://", "postgres://"];
const ESCAPE: &str = "reserved characters in the user or the password must be percent-encoded";

/// Whether the text is to be read as a URI.
pub fn recognised(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// The options of a URI in the order in which libpq stores them, or what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Pair>, String> {
    let rest = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    let mut pairs = Vec::new();
    // libpq looks ahead for "@", but not past the first "/".
    let userinfo_end = rest.find(['@', '/']).filter(|&at| rest.as_bytes()[at] == b'@');
    let rest = match userinfo_end {
        Some(at) => {
            userinfo(&rest[..at], &mut pairs)?;
            &rest[at + 1..]
        }
        None => rest,
    };
    let rest = hosts(rest, &mut pairs)?;
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    // The path starts with the "/" that ended the hosts.
    let dbname = path.get(1..).unwrap_or_default();
    if dbname.contains('@') {
        return Err(format!("there is an \"@\" in the name of the database; {ESCAPE}"));
    }
    push_if_any("dbname", dbname, &mut pairs)?;
    if let Some(query) = query {
        parameters(query, &mut pairs)?;
    }
    Ok(pairs)
}

fn userinfo(text: &str, pairs: &mut Vec<Pair>) -> Result<(), String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    push_if_any("user", user, pairs)?;
    push_if_any("password", password, pairs)
}

/// Reads `host[:port][,host[:port]…]` and answers with what follows.
fn hosts<'a>(text: &'a str, pairs: &mut Vec<Pair>) -> Result<&'a str, String> {
    let (mut names, mut ports) = (String::new(), String::new());
    let mut rest = text;
    loop {
        let host;
        (host, rest) = one_host(rest)?;
        names.push_str(host);
        if let Some(after) = rest.strip_prefix(':') {
            let end = after.find(['/', '?', ',']).unwrap_or(after.len());
            ports.push_str(&after[..end]);
            rest = &after[end..];
        }
        let Some(after) = rest.strip_prefix(',') else { break };
        rest = after;
        names.push(',');
        ports.push(',');
    }
    if names.contains('@') || ports.contains('@') {
        return Err(format!("there is an \"@\" in a host or port; {ESCAPE}"));
    }
    push_if_any("host", &names, pairs)?;
    push_if_any("port", &ports, pairs)?;
    if pairs.iter().any(|pair| pair.keyword == "port" && !is_port_list(&pair.value)) {
        return Err(format!("a port is not a number; {ESCAPE}"));
    }
    Ok(rest)
}

fn is_port_list(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
}

fn one_host(text: &str) -> Result<(&str, &str), String> {
    let Some(after) = text.strip_prefix('[') else {
        return Ok(text.split_at(text.find([':', '/', '?', ',']).unwrap_or(text.len())));
    };
    let Some((host, rest)) = after.split_once(']') else {
        return Err("an IPv6 address has no closing \"]\"".to_owned());
    };
    if host.is_empty() {
        return Err("an IPv6 address is empty".to_owned());
    }
    if !rest.is_empty() && !rest.starts_with([':', '/', '?', ',']) {
        return Err(
            "there is something other than \":\", \"/\", \"?\" or \",\" behind an IPv6 address".to_owned()
        );
    }
    Ok((host, rest))
}

fn parameters(query: &str, pairs: &mut Vec<Pair>) -> Result<(), String> {
    // An unescaped "@" may be the end of a password that held the "?" too.
    let mut blurred = query.contains('@');
    for parameter in query.split_terminator('&') {
        let Some((keyword, value)) = parameter.split_once('=') else {
            return Err("a parameter behind the \"?\" has no \"=\"".to_owned());
        };
        if value.contains('=') {
            return Err("a parameter behind the \"?\" has a second \"=\"; write it as %3D".to_owned());
        }
        let mut pair = Pair { keyword: decode(keyword)?, value: decode(value)?, blurred };
        // JDBC's spelling.
        if pair.keyword == "ssl" && pair.value == "true" {
            pair = Pair { keyword: "sslmode".to_owned(), value: "require".to_owned(), blurred };
        }
        blurred |= pair.keyword == "password";
        pairs.push(pair);
    }
    Ok(())
}

fn push_if_any(keyword: &str, value: &str, pairs: &mut Vec<Pair>) -> Result<(), String> {
    if !value.is_empty() {
        pairs.push(Pair { keyword: keyword.to_owned(), value: decode(value)?, blurred: false });
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = (rest.next().and_then(hex), rest.next().and_then(hex));
        let (Some(high), Some(low)) = digits else {
            return Err("a \"%\" is not followed by two hexadecimal digits; write it as %25".to_owned());
        };
        match high * 16 + low {
            0 => return Err("it contains %00".to_owned()),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| "percent-encoded bytes are not UTF-8".to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse(text) {
            Ok(pairs) => pairs
                .iter()
                .map(|pair| format!("{}={}", pair.keyword, pair.value))
                .collect::<Vec<_>>()
                .join(" "),
            Err(what) => format!("error: {what}"),
        }
    }

    #[test]
    fn the_examples_of_the_postgresql_documentation() {
        for (uri, expected) in [
            ("postgresql://", ""),
            ("postgresql://localhost", "host=localhost"),
            ("postgresql://localhost:5433", "host=localhost port=5433"),
            ("postgresql://localhost/mydb", "host=localhost dbname=mydb"),
            ("postgresql://user@localhost", "user=user host=localhost"),
            ("postgresql://user:secret@localhost", "user=user password=secret host=localhost"),
            (
                "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
                "user=other host=localhost dbname=otherdb connect_timeout=10 application_name=myapp",
            ),
            (
                "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
                "host=host1,host2 port=123,456 dbname=somedb target_session_attrs=any application_name=myapp",
            ),
            (
                "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
                "user=user host=localhost port=5433 dbname=mydb options=-c synchronous_commit=off",
            ),
            ("postgresql:///mydb?host=localhost&port=5433", "dbname=mydb host=localhost port=5433"),
            ("postgresql://[2001:db8::1234]/database", "host=2001:db8::1234 dbname=database"),
            ("postgresql:///dbname?host=/var/lib/postgresql", "dbname=dbname host=/var/lib/postgresql"),
            ("postgresql://%2Fvar%2Flib%2Fpostgresql/dbname", "host=/var/lib/postgresql dbname=dbname"),
            ("postgres://h1,h2:5433?ssl=true", "host=h1,h2 port=,5433 sslmode=require"),
        ] {
            assert_eq!(parsed(uri), expected, "{uri}");
        }
    }

    #[test]
    fn broken_uris_are_described_without_their_text() {
        for (uri, expected) in [
            ("postgres://u:p@ss@h/d", "an \"@\" in a host or port"),
            ("postgres://u:p/ss@h/d", "a port is not a number"),
            ("postgres://u:5/ss@h/d", "an \"@\" in the name of the database"),
            ("postgres://[::1/d", "no closing \"]\""),
            ("postgres://[]/d", "address is empty"),
            ("postgres://[::1]x/d", "something other than"),
            ("postgres://h/d?port", "has no \"=\""),
            ("postgres://h/d?port=1=2", "a second \"=\""),
            ("postgres://u:100%@h/d", "not followed by two hexadecimal digits"),
            ("postgres://u:%00@h/d", "%00"),
            ("postgres://u:%FF@h/d", "not UTF-8"),
        ] {
            let said = parsed(uri);
            assert!(said.starts_with("error: ") && said.contains(expected), "{uri}: {said}");
        }
    }
}
