//! Columns of text for people: each as wide as its widest cell.

use unicode_width::UnicodeWidthStr;

/// Lines of cells, two blanks between columns, none at the end of a line.
#[must_use]
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&padded(cell, width + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A cell with blanks after it up to a width in columns of a terminal.
#[must_use]
pub(crate) fn padded(cell: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(cell.width());
    format!("{cell}{}", " ".repeat(blanks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_the_script() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["A", "BB", "C"]), row(["日本", "-", ""]), row(["x", "yyyy", "z"])];
        assert_eq!(table(&rows), "A     BB    C\n日本  -\nx     yyyy  z\n");
    }
}
