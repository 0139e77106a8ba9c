//! The characters of the progress bar.

/// What the bar is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    Unicode,
    /// `#` and `-`, where the locale is not UTF-8.
    Ascii,
}
