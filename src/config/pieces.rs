//! A large file in pieces, so that its syntax, ten times as large as its text, is never in memory as a whole.
//!
//! Works on lines and knows no TOML but the headers of applications. What it cuts wrongly, such as a text that holds such a
//! header, is no TOML any more, so whoever reads the pieces finds out and reads the whole file instead.

use super::problem::Span;

/// What a file is cut into.
#[derive(Debug)]
pub(super) struct Pieces {
    /// The text with blanks in place of the applications, so that all else is where it was.
    pub settings: String,
    /// Where pieces with nothing but applications are, in order; each is sound without the others, unless one application is
    /// in several of them.
    pub applications: Vec<Span>,
}

/// A line that looks like the header of a table.
enum Header {
    /// `[applications.NAME]`
    Application,
    /// `[applications.NAME.columns]`
    Within,
    Other,
}

/// Cuts a text where an application begins and the piece before has `length` bytes or more. `None`: the text is not written
/// in a way that can be cut here.
pub(super) fn cut(text: &str, length: usize) -> Option<Pieces> {
    let mut pieces = Pieces { settings: String::with_capacity(text.len()), applications: Vec::new() };
    // Where the part began that is being read, and whether it is of applications.
    let (mut from, mut is_applications) = (0, false);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        match header(line)? {
            None | Some(Header::Within) if is_applications => {}
            Some(Header::Application) if is_applications && at - from < length => {}
            Some(Header::Application) => {
                pieces.close(text, from..at, is_applications);
                (from, is_applications) = (at, true);
            }
            Some(Header::Other) if is_applications => {
                pieces.close(text, from..at, true);
                (from, is_applications) = (at, false);
            }
            Some(Header::Within) => return None,
            None | Some(Header::Other) => {}
        }
        at += line.len();
    }
    pieces.close(text, from..at, is_applications);
    Some(pieces)
}

impl Pieces {
    fn close(&mut self, text: &str, part: Span, is_applications: bool) {
        if is_applications {
            self.settings.extend(std::iter::repeat_n(' ', part.len()));
            self.applications.push(part);
        } else {
            self.settings.push_str(text.get(part).unwrap_or_default());
        }
    }
}

/// Outside: `None` for a header of applications in a form that cannot be cut here. Inside: `None` for a line that is no
/// header.
#[expect(clippy::option_option, reason = "two questions, explained above")]
fn header(line: &str) -> Option<Option<Header>> {
    let line = line.trim_ascii();
    if !line.starts_with('[') {
        return Some(None);
    }
    let Some(name) = line.strip_prefix("[applications.") else {
        return (!line.contains("applications")).then_some(Some(Header::Other));
    };
    let name = name.split_once(']').map_or(name, |(name, _)| name);
    let quoted = |quote: char| {
        name.strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
            .is_some_and(|inside| !inside.contains([quote, '\\']))
    };
    let is_whole = quoted('"') || quoted('\'') || !name.contains(['.', '"', '\'']);
    Some(Some(if is_whole { Header::Application } else { Header::Within }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, length: usize) -> Option<(String, Vec<&str>)> {
        let Pieces { settings, applications } = cut(text, length)?;
        assert_eq!(settings.len(), text.len());
        Some((settings, applications.into_iter().map(|piece| &text[piece]).collect()))
    }

    #[test]
    fn applications_are_cut_where_they_begin() {
        let text = "a = 1\n[applications.x]\nb = 2\n [applications.x.columns]\n[applications.\"y.z\"]\n[[removed]]\n\
                    [applications.w]\nuris = [\n'a']";
        let [x, y, w] = [
            "[applications.x]\nb = 2\n [applications.x.columns]\n",
            "[applications.\"y.z\"]\n",
            "[applications.w]\nuris = [\n'a']",
        ];
        let settings =
            format!("a = 1\n{}[[removed]]\n{}", " ".repeat(x.len() + y.len()), " ".repeat(w.len()));
        assert_eq!(parts(text, 1), Some((settings.clone(), vec![x, y, w])));
        assert_eq!(parts(text, 1_000), Some((settings, vec![&*format!("{x}{y}"), w])));
        assert_eq!(parts("", 1), Some((String::new(), vec![])));
    }

    #[test]
    fn unusual_headers_are_not_cut() {
        for text in [
            "[applications]\n",
            "[ applications.x ]\n",
            "[\"applications\".x]\n",
            "[[applications.x]]\n",
            "[applications.x.columns]\n",
            "[policy]\n[applications.x.columns]\n",
        ] {
            assert_eq!(parts(text, 1), None, "{text}");
        }
    }
}
