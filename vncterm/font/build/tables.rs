//! This gathers drawings into the tables that the crate embeds.

use std::collections::HashMap;

use crate::{Drawing, Rows};

/// Code points a page.
const PAGE: usize = 256;

/// Set in an entry whose glyph has a right half, the next one.
const WIDE: u32 = 1 << 31;

/// The tables while they grow.
pub(crate) struct Tables {
    rows: Vec<Rows>,
    /// Where a drawing that is already there starts: equal drawings are kept once.
    known: HashMap<(Rows, Option<Rows>), u32>,
    entries: Vec<[u32; PAGE]>,
    pages: Vec<u16>,
}

impl Tables {
    /// Starts with glyph 0, which stands for what is missing, and glyph 1, the blank. Page 0 is
    /// the empty page.
    pub(crate) fn new(replacement: Drawing, blank: Drawing) -> Self {
        let mut tables = Self {
            rows: Vec::new(),
            known: HashMap::new(),
            entries: vec![[0; PAGE]],
            pages: Vec::new(),
        };
        tables.place(replacement);
        tables.place(blank);
        tables
    }

    /// Gives a character its drawing, in place of an earlier one.
    pub(crate) fn add(&mut self, character: char, drawing: Drawing) {
        let entry = self.place(drawing);
        let (page, at) = (character as usize / PAGE, character as usize % PAGE);
        if self.pages.len() <= page {
            self.pages.resize(page + 1, 0);
        }
        if self.pages[page] == 0 {
            self.pages[page] = u16::try_from(self.entries.len()).expect("few pages");
            self.entries.push([0; PAGE]);
        }
        self.entries[usize::from(self.pages[page])][at] = entry;
    }

    fn place(&mut self, drawing: Drawing) -> u32 {
        let (key, wide) = match drawing {
            Drawing::One(rows) => ((rows, None), 0),
            Drawing::Two(left, right) => ((left, Some(right)), WIDE),
        };
        *self.known.entry(key).or_insert_with(|| {
            let at = u32::try_from(self.rows.len()).expect("few glyphs");
            self.rows.push(key.0);
            self.rows.extend(key.1);
            at | wide
        })
    }

    pub(crate) fn rows(&self) -> Vec<u8> {
        self.rows.as_flattened().to_vec()
    }

    pub(crate) fn entries(&self) -> Vec<u8> {
        self.entries.as_flattened().iter().flat_map(|entry| entry.to_le_bytes()).collect()
    }

    pub(crate) fn pages(&self) -> Vec<u8> {
        self.pages.iter().flat_map(|page| page.to_le_bytes()).collect()
    }
}
