//! Columns of text: as wide as what is in them, and fewer of them where the terminal is narrow. Pure.

use super::{DIM, paint};

/// Between two columns.
const GAP: usize = 2;

/// A column of a table: its heading, and how it is aligned.
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    right: bool,
    /// The columns with the highest number go first where there is no room, all of them; zero stays.
    spare: u8,
}

impl Column {
    /// Numbers: aligned on the right.
    pub fn number(title: impl Into<String>) -> Self {
        Self { title: title.into(), right: true, spare: 0 }
    }

    /// Words: aligned on the left.
    pub fn words(title: impl Into<String>) -> Self {
        Self { title: title.into(), right: false, spare: 0 }
    }

    /// May be left out; those with higher numbers first.
    pub fn spare(mut self, order: u8) -> Self {
        self.spare = order;
        self
    }
}

/// Rows under columns.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table that has columns and no rows yet.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// As lines of at most `width` columns, as far as leaving columns out can do that. The title of a column may be
    /// painted; cells may not.
    pub fn render(mut self, width: usize) -> String {
        while self.width() > width {
            let spare = self.columns.iter().map(|column| column.spare).max().filter(|spare| *spare > 0);
            let Some(spare) = spare else { break };
            for at in (0..self.columns.len())
                .rev()
                .filter(|at| self.columns[*at].spare == spare)
                .collect::<Vec<_>>()
            {
                self.columns.remove(at);
                for row in &mut self.rows {
                    row.remove(at);
                }
            }
        }
        let widths = self.widths();
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.clone()).collect();
        let mut out = format!("{}\n", paint(DIM, self.line(&titles, &widths)));
        for row in &self.rows {
            out.push_str(&self.line(row, &widths));
            out.push('\n');
        }
        out
    }

    fn widths(&self) -> Vec<usize> {
        let length = |text: &String| text.chars().count();
        self.columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = self.rows.iter().map(|row| length(&row[at]));
                cells.chain([length(&column.title)]).max().unwrap_or_default()
            })
            .collect()
    }

    fn width(&self) -> usize {
        self.widths().iter().sum::<usize>() + GAP * self.columns.len().saturating_sub(1)
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let cells = self.columns.iter().zip(cells).zip(widths).map(|((column, cell), width)| {
            if column.right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    }
}

/// Breaks text at spaces, so that no line is longer than `width` unless a word is.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let indent: String = paragraph.chars().take_while(|c| *c == ' ').collect();
        let mut line = indent.clone();
        for word in paragraph.split_whitespace() {
            let begun = line.len() > indent.len();
            if begun && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            } else if begun {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(vec![
            Column::words("TABLE"),
            Column::number("ROWS"),
            Column::number("LIVE").spare(2),
            Column::words("NOTE").spare(1),
        ]);
        grid.row(["access", "12,000", "1", "x"].map(str::to_owned).to_vec());
        grid
    }

    #[test]
    fn columns_go_where_there_is_no_room() {
        let plain = |width| anstream::adapter::strip_str(&grid().render(width)).to_string();
        assert_eq!(plain(80), "TABLE     ROWS  LIVE  NOTE\naccess  12,000     1  x\n");
        assert_eq!(plain(25), "TABLE     ROWS  NOTE\naccess  12,000  x\n");
        assert_eq!(plain(1), "TABLE     ROWS\naccess  12,000\n");
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrap("a bb ccc\n  dd ee", 6), ["a bb", "ccc", "  dd", "  ee"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrap("a\n\nb", 3), ["a", "", "b"]);
    }
}
