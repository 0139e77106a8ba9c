//! A page that a browser shows from a file: one document, which loads nothing and sends nothing.
//!
//! Its content security policy allows the style and the script of this directory by their digests and nothing else, so
//! that text of the file or of the database could not be executed even if it were not escaped. So no element may have a
//! `style` or an `on…` attribute. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::model::visible::visible;
use crate::model::words::grouped;

const STYLE: &str = include_str!("html/page.css");

/// The filters of a plan.
pub(super) const FILTERS: &str = include_str!("html/filters.js");

/// A page of which the parts are markup already, but for the title.
pub(super) struct Page<'a> {
    pub title: &'a str,
    /// What stands below the title.
    pub head: String,
    pub body: String,
    /// `None`: the page has nothing that moves.
    pub script: Option<&'static str>,
}

impl Page<'_> {
    pub(super) fn render(&self) -> String {
        let Self { title, head, body, script } = self;
        let title = text(title);
        let policy = policy(*script);
        let script = script.map(|script| format!("<script>{script}</script>\n")).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n{head}</header>\n\
             <main>\n{body}</main>\n<footer><p>Written by oauthctl {version}.</p></footer>\n{script}</body>\n</html>\n"
        )
    }
}

fn policy(script: Option<&str>) -> String {
    let script = script.map_or_else(|| "'none'".to_owned(), digest);
    let style = digest(STYLE);
    format!("default-src 'none'; script-src {script}; style-src {style}; base-uri 'none'; form-action 'none'")
}

fn digest(source: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(Sha256::digest(source)))
}

/// Text of anybody, which stays text: in an element and in a quoted attribute.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A name or a value. The style isolates it: letters that are written from right to left move nothing around it.
pub(super) fn code(name: &str) -> String {
    format!("<code>{}</code>", text(name))
}

/// A section with a heading; nothing where it has no content.
pub(super) fn section(class: &str, heading: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!(
        "<section class=\"{class}\" aria-labelledby=\"{class}-heading\">\n<h2 id=\"{class}-heading\">{heading}</h2>\n{content}</section>\n",
        heading = text(heading)
    )
}

pub(super) fn paragraph(words: &str) -> String {
    format!("<p>{}</p>\n", text(words))
}

/// How a column of a table is written.
#[derive(Clone, Copy)]
pub(super) enum Column<'a> {
    Words(&'a str),
    Number(&'a str),
}

/// A table whose first column names the rows. The cells are markup; nothing where there are no rows.
pub(super) fn table(caption: &str, columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads: String = columns.iter().map(|column| head(*column)).collect();
    let rows: String = rows.iter().map(|cells| row(columns, cells)).collect();
    let caption = text(caption);
    format!(
        "<div class=\"scroll\"><table>\n<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

fn head(column: Column<'_>) -> String {
    match column {
        Column::Words(title) => format!("<th scope=\"col\">{}</th>", text(title)),
        Column::Number(title) => format!("<th scope=\"col\" class=\"number\">{}</th>", text(title)),
    }
}

fn row(columns: &[Column<'_>], cells: &[String]) -> String {
    let cells = columns.iter().zip(cells).enumerate().map(|(place, (column, cell))| match (place, column) {
        (0, Column::Words(_)) => format!("<th scope=\"row\">{cell}</th>"),
        (_, Column::Words(_)) => format!("<td>{cell}</td>"),
        (_, Column::Number(_)) => format!("<td class=\"number\">{cell}</td>"),
    });
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}

/// A bar in proportion; what is there is seen, however little it is. The number stands beside it.
pub(super) fn bar(rows: u64, most: u64) -> String {
    if rows == 0 || most == 0 {
        return String::new();
    }
    let width = (u128::from(rows) * 1_000 / u128::from(most)).max(3);
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"{width}\" height=\"10\"/></svg>"
    )
}

pub(super) fn number(number: u64) -> String {
    grouped(number)
}

/// Styled text of a terminal as text.
pub(super) fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::visible::defused;

    #[test]
    fn nobody_writes_markup() {
        for (name, shown) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onload='x'", "&quot; onload=&#39;x&#39;"),
            ("]]> --> &lt;", "]]&gt; --&gt; &amp;lt;"),
            ("a\u{202e}b\u{0}\u{2066}\n", r"a\u{202e}b\u{0}\u{2066}\u{a}"),
            ("::error::x", r"\u{3a}:error::x"),
        ] {
            assert_eq!(text(name), shown);
        }
    }

    /// What goes to stdout is defused line by line; a changed style would not have its digest any more.
    #[test]
    fn style_and_script_are_printed_as_they_are() {
        for source in [STYLE, FILTERS] {
            assert!(source.is_ascii() && !source.contains("</"), "it would end its element");
            for line in source.lines() {
                assert_eq!(defused(line), line);
            }
        }
    }

    #[test]
    fn the_policy_allows_its_own_parts_only() {
        insta::assert_snapshot!(policy(None).split('\'').filter(|part| !part.starts_with("sha256-")).collect::<String>(), @"default-src none; script-src none; style-src ; base-uri none; form-action none");
        assert!(!policy(Some(FILTERS)).contains("unsafe"));
    }

    #[test]
    fn a_bar_never_vanishes() {
        assert!(bar(1, 1_000_000).contains("width=\"3\""));
        assert_eq!(bar(0, 100), "");
    }
}
