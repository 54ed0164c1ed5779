//! A bitmap cut into rectangles, few of them.

/// A bitmap as wide as two cells, the leftmost pixel in the highest bit.
pub(super) type Mask = [u16; 16];

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subrect {
    pub(super) x: u8,
    pub(super) y: u8,
    pub(super) width: u8,
    pub(super) height: u8,
}

/// The most rectangles that a mask is cut into: every second pixel by itself.
const SUBRECTS_MAX: usize = 128;

/// Cuts a mask into rectangles, whichever way gives fewer: as wide as can be, or as high.
pub(super) fn subrects(mask: Mask, found: impl FnMut(Subrect)) {
    if mask == [0; 16] {
        return;
    }
    let mut ways = [const { Cut { rects: [NONE; SUBRECTS_MAX], count: 0 } }; 2];
    for (way, shape) in ways.iter_mut().zip([widest as Shape, highest]) {
        cut(mask, shape, |rect| way.add(rect));
    }
    let fewest = ways.iter().min_by_key(|way| way.count);
    fewest
        .and_then(|way| way.rects.get(..way.count))
        .unwrap_or_default()
        .iter()
        .copied()
        .for_each(found);
}

/// Rectangles that a mask is cut into.
struct Cut {
    rects: [Subrect; SUBRECTS_MAX],
    count: usize,
}

const NONE: Subrect = Subrect { x: 0, y: 0, width: 0, height: 0 };

impl Cut {
    fn add(&mut self, rect: Subrect) {
        if let Some(place) = self.rects.get_mut(self.count) {
            *place = rect;
            self.count += 1;
        }
    }
}

/// How far a rectangle reaches from a pixel of the first row: width and height.
type Shape = fn(&[u16], x: u32) -> (u32, usize);

/// Takes rectangles off the first pixel that is left, until none is.
fn cut(mut mask: Mask, shape: fn(&[u16], x: u32) -> (u32, usize), mut found: impl FnMut(Subrect)) {
    for y in 0..16_u8 {
        while let Some(rows) = mask.get_mut(usize::from(y)..).filter(|rows| rows[0] != 0) {
            let x = rows[0].leading_zeros();
            let (width, height) = shape(rows, x);
            for row in rows.iter_mut().take(height) {
                *row &= !run(x, width);
            }
            let [x, width] = [x, width].map(|value| u8::try_from(value).unwrap_or(0));
            found(Subrect { x, y, width, height: u8::try_from(height).unwrap_or(0) });
        }
    }
}

/// So many pixels from x on, at least one.
fn run(x: u32, width: u32) -> u16 {
    (u16::MAX << (16 - width)) >> x
}

/// All of the first row's run, and the rows below that have it.
fn widest(rows: &[u16], x: u32) -> (u32, usize) {
    let width = (rows[0] << x).leading_ones();
    let run = run(x, width);
    (width, rows.iter().take_while(|row| **row & run == run).count())
}

/// All of the first pixel's column, and the columns to the right that have it.
fn highest(rows: &[u16], x: u32) -> (u32, usize) {
    let pixel = run(x, 1);
    let height = rows.iter().take_while(|row| **row & pixel != 0).count();
    let all = rows.iter().take(height).fold(u16::MAX, |all, row| all & row);
    ((all << x).leading_ones(), height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_rectangles_cover_the_mask_and_nothing_twice(mask in any::<[u16; 16]>()) {
            let mut covered = [0_u16; 16];
            subrects(mask, |rect| {
                let run = run(rect.x.into(), rect.width.into());
                for row in &mut covered[usize::from(rect.y)..][..usize::from(rect.height)] {
                    assert_eq!(*row & run, 0);
                    *row |= run;
                }
            });
            prop_assert_eq!(covered, mask);
        }
    }

    #[test]
    fn the_way_that_gives_fewer_is_taken() {
        let count = |mask| {
            let mut count = 0;
            subrects(mask, |_| count += 1);
            count
        };
        // Two posts under a beam: three when cut wide. A comb on its side: four when cut high.
        let mut posts = [0x8100; 16];
        posts[0] = 0xff00;
        assert_eq!(count(posts), 3);
        let comb = core::array::from_fn(|y| if y % 4 == 0 { 0xff00 } else { 0x8000 });
        assert!(count(comb) <= 5);
    }
}
