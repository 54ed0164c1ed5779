//! A viewer's selection: two cells of its view, and all between them in reading order.

/// A cell of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Row from the top.
    pub(crate) row: u16,
    /// Column from the left.
    pub(crate) column: u16,
}

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Selection {
    anchor: Place,
    head: Place,
}

impl Selection {
    /// A drag that begins here, with nothing selected yet but this cell.
    pub(crate) fn begin(anchor: Place) -> Self {
        Self { anchor, head: anchor }
    }

    /// The same drag, now here.
    pub(crate) fn drag(self, head: Place) -> Self {
        Self { head, ..self }
    }

    /// Whether the drag has left its first cell: a click alone selects nothing.
    pub(crate) fn is_drag(self) -> bool {
        self.anchor != self.head
    }

    /// First and last cell, in reading order, both selected.
    pub(crate) fn ends(self) -> (Place, Place) {
        (self.anchor.min(self.head), self.anchor.max(self.head))
    }

    /// First and last selected column of a row of `columns` cells.
    pub(crate) fn on_row(self, row: u16, columns: u16) -> Option<(u16, u16)> {
        let (first, last) = self.ends();
        if !self.is_drag() || row < first.row || row > last.row {
            return None;
        }
        let from = if row == first.row { first.column } else { 0 };
        let to = if row == last.row { last.column } else { columns.saturating_sub(1) };
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_runs_in_reading_order_whichever_way_it_was_dragged() {
        let (a, b) = (Place { row: 1, column: 5 }, Place { row: 3, column: 2 });
        for selection in [Selection::begin(a).drag(b), Selection::begin(b).drag(a)] {
            assert_eq!(selection.ends(), (a, b));
            assert_eq!(selection.on_row(0, 80), None);
            assert_eq!(selection.on_row(1, 80), Some((5, 79)));
            assert_eq!(selection.on_row(2, 80), Some((0, 79)));
            assert_eq!(selection.on_row(3, 80), Some((0, 2)));
            assert_eq!(selection.on_row(4, 80), None);
        }
    }

    #[test]
    fn a_click_selects_nothing() {
        let place = Place { row: 1, column: 5 };
        assert!(!Selection::begin(place).is_drag());
        assert_eq!(Selection::begin(place).on_row(1, 80), None);
    }
}
