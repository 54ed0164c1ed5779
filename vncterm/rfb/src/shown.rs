//! What a viewer shows, as far as the server knows: the looks that were last encoded for it.

use alloc::vec;
use alloc::vec::Vec;
use core::iter::Peekable;
use core::ops::Range;

use crate::area::Area;
use crate::picture::{COLUMNS_MAX, Look, Picture, ROWS_MAX, Rgb, Size};

/// Changes of a row that are this many unchanged cells apart or nearer go in one rectangle at least:
/// a rectangle of its own costs as much as sending one cell again in any encoding, and much more
/// in some.
pub(crate) const GAP_MIN: usize = 1;

/// How changes of a row become rectangles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joining {
    /// Changes at most so many unchanged cells apart are one.
    pub(crate) gap: usize,
    /// A longer change begins at a multiple of so many columns, at most one more than the gap: what
    /// an encoder cuts into tiles finds them as it knows them.
    pub(crate) align: usize,
}

/// What is shown outside the picture.
const OUTSIDE: Look = {
    let black = Rgb { red: 0, green: 0, blue: 0 };
    Look { glyph: 0, ink: black, paper: black }
};

/// The rectangles of one update are counted in 16 bits. Even if every row has as many changes as
/// gaps between them allow, they can be.
const _: () = {
    let changes_a_row = (COLUMNS_MAX as usize).div_ceil(2 + GAP_MIN);
    assert!(changes_a_row * ROWS_MAX as usize <= u16::MAX as usize);
};

/// A viewer's copy of the picture.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The size that the viewer was told; the picture's own may be another.
    size: Size,
    /// The size that the picture had when it was last compared.
    picture_size: Size,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    /// The picture's stamp when the row was last the same, where that is known.
    stamp: Option<u64>,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    look: Look,
    /// Whether the viewer shows the look; else it shows anything.
    known: bool,
}

/// Rows that move within the viewer's picture, over its whole width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scroll {
    /// Where they move to.
    pub(crate) to: Area,
    /// The first row that they come from.
    pub(crate) from_row: u16,
}

/// A scroll is worth its rectangle when it puts this many cells right.
const SCROLL_MIN: usize = 3;

impl Shown {
    /// A copy of which nothing is known.
    pub(crate) fn new(size: Size) -> Self {
        let cell = Cell { look: OUTSIDE, known: false };
        let row = Row { stamp: None, cells: vec![cell; size.columns().into()] };
        Self { size, picture_size: size, rows: vec![row; size.rows().into()] }
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Forgets what is known of an area.
    pub(crate) fn forget(&mut self, area: Area) {
        for row in self.rows.get_mut(rows(area)).unwrap_or_default() {
            row.stamp = None;
            for cell in row.cells.get_mut(columns(area)).unwrap_or_default() {
                cell.known = false;
            }
        }
    }

    /// Finds rows that the viewer shows already, elsewhere, and takes them as moved: the longest run
    /// that moved together, however far and by however many scrolls.
    pub(crate) fn scroll(&mut self, picture: &impl Picture) -> Option<Scroll> {
        if self.picture_size != picture.size() || self.size != picture.size() {
            return None;
        }
        let stamps: Vec<u64> = (0..self.size.rows()).map(|row| picture.row_stamp(row)).collect();
        let is_there = |row: usize| {
            self.rows.get(row).is_some_and(|shown| shown.stamp == stamps.get(row).copied())
        };
        let mut best = (0, 0..0, 0);
        let mut looked_at = Vec::new();
        for (row, stamp) in stamps.iter().enumerate().filter(|(row, _)| !is_there(*row)) {
            let same = |shown: &Row| shown.stamp == Some(*stamp);
            let Some(from) = self.rows.iter().position(same) else { continue };
            // How far all rows have moved, in two's complement.
            let by = from.wrapping_sub(row);
            if looked_at.contains(&by) {
                continue;
            }
            looked_at.push(by);
            let (run, moved) = self.run(&stamps, by, is_there);
            if moved > best.2 {
                best = (by, run, moved);
            }
        }
        let (by, run, _) = best;
        let run = self.stretched(run, by, picture);
        let source = run.start.wrapping_add(by)..run.end.wrapping_add(by);
        let differing = |row: usize| {
            let (Some(old), Some(new)) = (self.rows.get(row), self.rows.get(row.wrapping_add(by)))
            else {
                return 0;
            };
            let cells = old.cells.iter().zip(&new.cells);
            cells.filter(|(old, new)| !old.known || old.look != new.look).count()
        };
        if run.clone().map(differing).sum::<usize>() < SCROLL_MIN {
            return None;
        }
        // What is copied from stays where it was until it is overwritten.
        let moved: Vec<Row> = self.rows.get(source.clone())?.to_vec();
        for (row, moved) in self.rows.get_mut(run.clone())?.iter_mut().zip(moved) {
            *row = moved;
        }
        let whole = Area::whole(self.size);
        let number = |row: usize| u16::try_from(row).ok();
        let to = Area { row: number(run.start)?, rows: number(run.len())?, ..whole };
        Some(Scroll { to, from_row: number(source.start)? })
    }

    /// A run with the rows at its ends that have come but for a few cells, such as the cursor's.
    fn stretched(&self, mut run: Range<usize>, by: usize, picture: &impl Picture) -> Range<usize> {
        let alike = |shown: usize, row: usize| {
            let cells = self.rows.get(shown).map_or(&[][..], |shown| &shown.cells);
            let Ok(row) = u16::try_from(row) else { return 0 };
            let same = |(cell, column): (&Cell, u16)| {
                cell.known && cell.look == look(picture, self.picture_size, row, column)
            };
            cells.iter().zip(0..).filter(|pair| same(*pair)).count()
        };
        let gains = |row: usize| {
            let from = row.wrapping_add(by);
            from < self.rows.len() && row < self.rows.len() && alike(from, row) > alike(row, row)
        };
        while !run.is_empty() && gains(run.end) {
            run.end += 1;
        }
        while !run.is_empty() && run.start.checked_sub(1).is_some_and(gains) {
            run.start -= 1;
        }
        run
    }

    /// The run with the most rows that have come from so far below, in which no row would be spoilt
    /// that is right where it is; and how many of its rows have come.
    fn run(
        &self,
        stamps: &[u64],
        by: usize,
        is_there: impl Fn(usize) -> bool,
    ) -> (Range<usize>, usize) {
        let mut best = (0..0, 0);
        let mut current: (Range<usize>, usize) = (0..0, 0);
        for (row, stamp) in stamps.iter().enumerate() {
            let from = self.rows.get(row.wrapping_add(by));
            let has_come = from.is_some_and(|from| from.stamp == Some(*stamp));
            if from.is_none() || (is_there(row) && !has_come) {
                current = (row + 1..row + 1, 0);
                continue;
            }
            if has_come {
                // A run ends with a row that has come, and begins with one.
                let start = if current.1 == 0 { row } else { current.0.start };
                current = (start..row + 1, current.1 + 1);
                if current.1 > best.1 {
                    best = current.clone();
                }
            }
        }
        best
    }

    /// Finds what has to be sent for an area to be shown as the picture is now: areas in the
    /// order of their first rows, none meeting another.
    pub(crate) fn changes(
        &mut self,
        picture: &impl Picture,
        area: Area,
        joining: Joining,
    ) -> Vec<Area> {
        if self.picture_size != picture.size() {
            self.picture_size = picture.size();
            self.forget_stamps();
        }
        let mut changes: Vec<Area> = Vec::new();
        // Those that end at the row above, from left to right: equal ones below extend them.
        let mut open: Vec<usize> = Vec::new();
        let whole = Area::whole(self.size);
        for (row, shown) in (area.row..).zip(self.rows.get_mut(rows(area)).unwrap_or_default()) {
            let stamp = stamp(picture, self.picture_size, row);
            let mut above = core::mem::take(&mut open).into_iter().peekable();
            if stamp.is_some() && shown.stamp == stamp {
                continue;
            }
            if area.columns == whole.columns {
                shown.stamp = stamp;
            }
            let first = usize::from(area.column);
            let cells = shown.cells.get(columns(area)).unwrap_or_default();
            let changed = cells.iter().zip(area.column..).map(|(cell, column)| {
                !cell.known || cell.look != look(picture, self.picture_size, row, column)
            });
            spans(changed, joining.gap, |span| {
                let before = if span.len() > joining.align {
                    (first + span.start) % joining.align
                } else {
                    0
                };
                let span = span.start.saturating_sub(before)..span.end;
                let column = u16::try_from(first + span.start).unwrap_or(u16::MAX);
                let columns = u16::try_from(span.len()).unwrap_or(u16::MAX);
                if let Some(at) = take_equal(&mut above, &changes, column, columns)
                    && let Some(change) = changes.get_mut(at)
                {
                    change.rows += 1;
                    open.push(at);
                } else {
                    open.push(changes.len());
                    changes.push(Area { column, row, columns, rows: 1 });
                }
            });
        }
        changes
    }

    /// Takes the looks of a part of a row, now, as those that the viewer is about to show, and
    /// gives them.
    pub(crate) fn take_row(
        &mut self,
        picture: &impl Picture,
        row: u16,
        area: Area,
    ) -> impl Iterator<Item = Look> {
        let size = picture.size();
        let shown = self.rows.get_mut(usize::from(row));
        let cells = shown.map(|shown| {
            // The row may have changed since it was compared, beyond the part taken now.
            if shown.stamp != stamp(picture, size, row) {
                shown.stamp = None;
            }
            shown.cells.get_mut(columns(area)).unwrap_or_default()
        });
        cells.unwrap_or_default().iter_mut().zip(area.column..).map(move |(cell, column)| {
            *cell = Cell { look: look(picture, size, row, column), known: true };
            cell.look
        })
    }

    fn forget_stamps(&mut self) {
        self.rows.iter_mut().for_each(|row| row.stamp = None);
    }
}

/// A row's stamp; none outside the picture.
fn stamp(picture: &impl Picture, size: Size, row: u16) -> Option<u64> {
    (row < size.rows()).then(|| picture.row_stamp(row))
}

/// A cell's look; black outside the picture.
fn look(picture: &impl Picture, size: Size, row: u16, column: u16) -> Look {
    if row < size.rows() && column < size.columns() { picture.look(row, column) } else { OUTSIDE }
}

fn rows(area: Area) -> Range<usize> {
    area.row.into()..area.row_end().into()
}

fn columns(area: Area) -> Range<usize> {
    area.column.into()..area.column_end().into()
}

/// Finds the spans of changes, near ones joined.
fn spans(changed: impl Iterator<Item = bool>, gap: usize, mut found: impl FnMut(Range<usize>)) {
    let mut span: Option<Range<usize>> = None;
    for (at, _) in changed.enumerate().filter(|(_, changed)| *changed) {
        match &mut span {
            Some(span) if at - span.end <= gap => span.end = at + 1,
            _ => {
                if let Some(done) = span.replace(at..at + 1) {
                    found(done);
                }
            }
        }
    }
    span.into_iter().for_each(found);
}

/// Takes the areas that start left of a span off the front of `above`; gives the next if it has
/// the same columns.
fn take_equal(
    above: &mut Peekable<impl Iterator<Item = usize>>,
    changes: &[Area],
    column: u16,
    columns: u16,
) -> Option<usize> {
    let starts = |at: &usize| changes.get(*at).map_or(u16::MAX, |change| change.column);
    while above.next_if(|at| starts(at) < column).is_some() {}
    above.next_if(|at| {
        changes.get(*at).is_some_and(|change| (change.column, change.columns) == (column, columns))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Bitmap;
    use core::cell::Cell as Counter;

    const JOINING: Joining = Joining { gap: GAP_MIN, align: 1 };

    /// A picture of letters; the row's number of edits is its stamp.
    struct Page {
        rows: Vec<(u64, Vec<u8>)>,
        looks: Counter<usize>,
    }

    impl Page {
        fn new(rows: &[&str]) -> Self {
            let rows = rows.iter().map(|row| (0, row.as_bytes().to_vec())).collect();
            Self { rows, looks: Counter::new(0) }
        }

        fn write(&mut self, row: usize, text: &str) {
            self.rows[row].0 += 1;
            self.rows[row].1 = text.as_bytes().to_vec();
        }
    }

    impl Picture for Page {
        fn size(&self) -> Size {
            let columns = u16::try_from(self.rows[0].1.len()).unwrap();
            Size::new(columns, u16::try_from(self.rows.len()).unwrap()).unwrap()
        }

        fn row_stamp(&self, row: u16) -> u64 {
            self.rows[usize::from(row)].0
        }

        fn look(&self, row: u16, column: u16) -> Look {
            self.looks.set(self.looks.get() + 1);
            let glyph = self.rows[usize::from(row)].1[usize::from(column)].into();
            Look { glyph, ..Look::default() }
        }

        fn bitmap(&self, _glyph: u32) -> Bitmap {
            [0; 16]
        }
    }

    /// Finds and takes the changes; gives each as column, row, columns, rows.
    fn settle(shown: &mut Shown, page: &Page) -> Vec<[u16; 4]> {
        let changes = shown.changes(page, Area::whole(shown.size()), JOINING);
        for change in &changes {
            for row in change.row..change.row_end() {
                shown.take_row(page, row, *change).for_each(drop);
            }
        }
        changes.iter().map(|a| [a.column, a.row, a.columns, a.rows]).collect()
    }

    #[test]
    fn at_first_everything_is_one_change_and_then_nothing() {
        let page = Page::new(&["abc", "def"]);
        let mut shown = Shown::new(page.size());
        assert_eq!(settle(&mut shown, &page), [[0, 0, 3, 2]]);
        page.looks.set(0);
        assert_eq!(settle(&mut shown, &page), [[0; 4]; 0]);
        assert_eq!(page.looks.get(), 0, "rows with known stamps are not looked at");
    }

    #[test]
    fn near_changes_of_a_row_are_joined_and_equal_spans_below() {
        let mut page = Page::new(&["........"; 4]);
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        page.write(0, "x.x..x..");
        page.write(1, "xxx.....");
        page.write(2, "xxx..xx.");
        assert_eq!(settle(&mut shown, &page), [[0, 0, 3, 3], [5, 0, 1, 1], [5, 2, 2, 1]]);
    }

    #[test]
    fn a_long_change_begins_where_a_tile_does() {
        let mut page = Page::new(&["................................................"]);
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        page.write(0, ".............xx............xxxxxxxxx............");
        let joining = Joining { gap: 8, align: 8 };
        let changes = shown.changes(&page, Area::whole(page.size()), joining);
        let columns: Vec<_> = changes.iter().map(|area| (area.column, area.columns)).collect();
        assert_eq!(columns, [(13, 2), (24, 12)]);
    }

    #[test]
    fn a_forgotten_area_is_a_change_although_nothing_changed() {
        let page = Page::new(&["abc", "def", "ghi"]);
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        shown.forget(Area { column: 1, row: 1, columns: 1, rows: 2 });
        assert_eq!(settle(&mut shown, &page), [[1, 1, 1, 2]]);
    }

    #[test]
    fn a_row_that_changes_between_finding_and_taking_is_found_again_when_it_changes_back() {
        let mut page = Page::new(&["abcdef"]);
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        page.write(0, "xbcdef");
        let found = page.rows.clone();
        let changes = shown.changes(&page, Area::whole(page.size()), JOINING);
        page.write(0, "ybcdef");
        for change in changes {
            shown.take_row(&page, 0, change).for_each(drop);
        }
        page.rows = found;
        assert_eq!(settle(&mut shown, &page), [[0, 0, 1, 1]]);
    }

    #[test]
    fn a_picture_that_gets_narrower_is_compared_whatever_its_stamps() {
        let mut page = Page::new(&["abc"]);
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        page.rows[0].1.truncate(2);
        assert_eq!(settle(&mut shown, &page), [[2, 0, 1, 1]]);
    }

    /// The scroll that is found, as first row, rows, and the row they come from; and what is left to
    /// be sent.
    fn scrolled(shown: &mut Shown, page: &Page) -> (Option<[u16; 3]>, Vec<[u16; 4]>) {
        let scroll = shown.scroll(page).map(|s| [s.to.row, s.to.rows, s.from_row]);
        (scroll, settle(shown, page))
    }

    #[test]
    fn rows_that_moved_are_copied_however_far() {
        let mut page = Page::new(&["aaaa", "bbbb", "cccc", "dddd", "eeee"]);
        for (row, stamp) in page.rows.iter_mut().zip(1..) {
            row.0 = stamp;
        }
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        page.rows.rotate_left(2);
        page.rows[3] = (11, b"ffff".to_vec());
        page.rows[4] = (12, b"gggg".to_vec());
        assert_eq!(scrolled(&mut shown, &page), (Some([0, 3, 2]), vec![[0, 3, 4, 2]]));
        // Down within margins: the first row and the last stay.
        page.rows[1..4].rotate_right(1);
        page.rows[1] = (13, b"hhhh".to_vec());
        assert_eq!(scrolled(&mut shown, &page), (Some([2, 2, 1]), vec![[0, 1, 4, 1]]));
    }

    #[test]
    fn a_row_that_came_but_for_a_cell_is_copied_with_the_others() {
        let mut page = Page::new(&["aaaa", "bbbb", "cccc", "ddd_"]);
        for (row, stamp) in page.rows.iter_mut().zip(1..) {
            row.0 = stamp;
        }
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        page.rows.rotate_left(1);
        page.rows[2] = (11, b"ddd ".to_vec());
        page.rows[3] = (12, b"_   ".to_vec());
        let left = vec![[3, 2, 1, 1], [0, 3, 4, 1]];
        assert_eq!(scrolled(&mut shown, &page), (Some([0, 3, 1]), left));
    }

    #[test]
    fn rows_that_look_the_same_anyway_are_not_copied() {
        let mut page = Page::new(&["yyyy", "yyyy", "yyyy"]);
        for (row, stamp) in page.rows.iter_mut().zip(1..) {
            row.0 = stamp;
        }
        let mut shown = Shown::new(page.size());
        settle(&mut shown, &page);
        page.rows.rotate_left(1);
        page.rows[2].0 = 11;
        assert_eq!(scrolled(&mut shown, &page), (None, vec![]));
    }

    #[test]
    fn outside_the_picture_it_is_black() {
        let page = Page::new(&["ab"]);
        let mut shown = Shown::new(Size::new(3, 2).unwrap());
        assert_eq!(settle(&mut shown, &page), [[0, 0, 3, 2]]);
        assert_eq!(settle(&mut shown, &page), [[0; 4]; 0]);
        assert_eq!(shown.rows[1].cells[0].look, OUTSIDE);
    }
}
