//! The numbers of one control sequence, kept within fixed memory.
//!
//! What a number means is not known here.

/// How many numbers of one sequence are kept. xterm keeps 30, vte 32; the longest
/// sequences in use, SGR lists of a true-colour program, stay below that.
pub(crate) const PARAMS_MAX: usize = 32;

/// The numbers of one sequence: parameters parted by `;`, each with the
/// sub-parameters that followed it after `:`.
///
/// A number saturates at 65535, and numbers after the [`PARAMS_MAX`]th are dropped, so a
/// sequence of any length costs the same memory. An absent number reads as 0.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    values: [u16; PARAMS_MAX],
    /// Bit n is set when value n followed a `:` and so belongs to the value before it.
    joined: u32,
    len: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self::new()
    }
}

impl Params {
    pub(crate) const fn new() -> Self {
        Self { values: [0; PARAMS_MAX], joined: 0, len: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.values[0] = 0;
        self.joined = 0;
        self.len = 0;
    }

    /// Reads all numbers of a sequence at once, where `bytes` holds it whole with nothing but decimal
    /// digits and `;` before its last byte; gives where that stands. Otherwise what is kept means
    /// nothing.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Option<usize> {
        self.clear();
        let mut value: u16 = 0;
        let mut begun = false;
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    value = value.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
                    begun = true;
                }
                b';' => {
                    *self.values.get_mut(self.len)? = value;
                    self.len += 1;
                    value = 0;
                    begun = true;
                }
                0x40..=0x7e => {
                    if begun {
                        *self.values.get_mut(self.len)? = value;
                        self.len += 1;
                    }
                    return Some(at);
                }
                _ => return None,
            }
        }
        None
    }

    /// Takes one more decimal digit of the last number.
    pub(crate) fn digit(&mut self, digit: u8) {
        self.len = self.len.max(1);
        if let Some(value) = self.values.get_mut(self.len - 1) {
            *value = value.saturating_mul(10).saturating_add(u16::from(digit));
        }
    }

    /// Begins the next parameter.
    pub(crate) fn part(&mut self) {
        self.begin(false);
    }

    /// Begins the next sub-parameter.
    pub(crate) fn join(&mut self) {
        self.begin(true);
    }

    fn begin(&mut self, joined: bool) {
        // `len` may stand one past the array: the numbers from there on are dropped.
        self.len = (self.len.max(1) + 1).min(PARAMS_MAX + 1);
        if let Some(value) = self.values.get_mut(self.len - 1) {
            *value = 0;
            self.joined |= u32::from(joined) << (self.len - 1);
        }
    }

    fn values(&self) -> &[u16] {
        &self.values[..self.len.min(PARAMS_MAX)]
    }

    /// The parameters, where none has sub-parameters.
    pub(crate) fn plain(&self) -> Option<&[u16]> {
        if self.joined == 0 { Some(self.values()) } else { None }
    }

    /// How many parameters there are, sub-parameters not counted.
    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }

    /// Each parameter with its sub-parameters; never an empty slice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u16]> {
        let mut rest = self.values();
        let mut joined = self.joined >> 1;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let mut len = 1;
            while len < rest.len() && joined & 1 == 1 {
                len += 1;
                joined >>= 1;
            }
            joined >>= 1;
            let (group, tail) = rest.split_at(len);
            rest = tail;
            Some(group)
        })
    }

    /// The parameter of that index, or 0.
    pub(crate) fn value(&self, index: usize) -> u16 {
        match self.plain() {
            Some(values) => values.get(index),
            None => self.iter().nth(index).and_then(|group| group.first()),
        }
        .copied()
        .unwrap_or(0)
    }

    /// The parameter of that index as a count: absent and 0 mean 1 (ECMA-48 5.4.2).
    pub(crate) fn times(&self, index: usize) -> u16 {
        self.value(index).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn params(text: &str) -> Params {
        let mut params = Params::new();
        for byte in text.bytes() {
            match byte {
                b';' => params.part(),
                b':' => params.join(),
                digit => params.digit(digit - b'0'),
            }
        }
        params
    }

    fn groups(text: &str) -> Vec<Vec<u16>> {
        params(text).iter().map(<[u16]>::to_vec).collect()
    }

    #[test]
    fn parts_parameters_and_sub_parameters() {
        assert_eq!(groups(""), Vec::<Vec<u16>>::new());
        assert_eq!(groups("1"), vec![vec![1]]);
        assert_eq!(groups(";5"), vec![vec![0], vec![5]]);
        assert_eq!(groups("4:3;1"), vec![vec![4, 3], vec![1]]);
        assert_eq!(groups("38:2::1:2:3;4"), vec![vec![38, 2, 0, 1, 2, 3], vec![4]]);
        assert_eq!(groups("1;2:3"), vec![vec![1], vec![2, 3]]);
    }

    proptest! {
        #[test]
        fn reading_at_once_is_reading_byte_by_byte(text in "[0-9;]{0,12}(;[0-9]{0,7}){0,40}", rest in "[m:a]") {
            let bytes = [text.as_bytes(), rest.as_bytes()].concat();
            let mut whole = Params::new();
            let end = whole.read(&bytes);
            let fits = text.bytes().filter(|&byte| byte == b';').count() < PARAMS_MAX;
            prop_assert_eq!(end, (rest != ":" && fits).then_some(text.len()));
            if end.is_some() {
                let whole: Vec<Vec<u16>> = whole.iter().map(<[u16]>::to_vec).collect();
                prop_assert_eq!(whole, groups(&text));
            }
            prop_assert_eq!(Params::new().read(text.as_bytes()), None);
        }
    }

    #[test]
    fn a_number_saturates() {
        assert_eq!(groups("65535;65536;99999999999"), vec![vec![65535]; 3]);
    }

    #[test]
    fn numbers_above_the_limit_are_dropped() {
        let text = "7;".repeat(PARAMS_MAX) + "8;9:9";
        assert_eq!(groups(&text), vec![vec![7]; PARAMS_MAX]);
        let text = "7:".repeat(PARAMS_MAX) + "8;9:9";
        assert_eq!(groups(&text), vec![vec![7; PARAMS_MAX]]);
    }

    #[test]
    fn an_absent_count_is_one() {
        assert_eq!(params("").times(0), 1);
        assert_eq!(params("0;0").times(1), 1);
        assert_eq!(params("0;4").times(1), 4);
    }
}
