//! How a value is written: one pattern a form, one set of bytes a place.

use super::byte::{self, ALNUM, DIGIT};
use super::window::Window;

/// A form, read from its pattern: `d` is a digit, `A` a capital, `a` a letter, `N` a capital or a
/// digit, `n` a letter or a digit, `[XYZ]` one of those; anything else stands for itself.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    places: Vec<u128>,
    /// How many letters and digits stand before the first separator, or in all.
    pub(crate) first: usize,
    /// How many stand behind it before the next one, or the end.
    pub(crate) second: usize,
    /// Whether what stands before the first separator may be digits alone.
    pub(crate) digits: bool,
    /// Whether it may hold a letter.
    pub(crate) letters: bool,
}

/// The letters and digits of a value, capitals, without what separates them.
#[derive(Clone, Copy)]
pub(crate) struct Canonical {
    bytes: [u8; Self::LONGEST],
    length: usize,
}

impl Default for Canonical {
    fn default() -> Self {
        Self {
            bytes: [0; Self::LONGEST],
            length: 0,
        }
    }
}

impl Canonical {
    pub(crate) const LONGEST: usize = 40;

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte.to_ascii_uppercase();
            self.length += 1;
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Form {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut places = Vec::with_capacity(pattern.len());
        let mut rest = pattern.bytes();
        while let Some(byte) = rest.next() {
            places.push(match byte {
                b'd' => among(DIGIT),
                b'A' => among(byte::UPPER),
                b'a' => among(byte::LETTER),
                b'N' => among(byte::UPPER | DIGIT),
                b'n' => among(ALNUM),
                b'[' => rest
                    .by_ref()
                    .take_while(|b| *b != b']')
                    .fold(0, |set, b| set | bit(b)),
                literal => bit(literal),
            });
        }
        let separators = !among(ALNUM);
        let is_of_run = |set: &&u128| **set & separators == 0;
        let run: Vec<_> = places.iter().take_while(is_of_run).copied().collect();
        let rest = places.get(run.len() + 1..).unwrap_or_default();
        Self {
            first: run.len(),
            second: rest.iter().take_while(is_of_run).count(),
            digits: run.iter().all(|set| set & among(DIGIT) != 0),
            letters: run.iter().any(|set| set & among(byte::LETTER) != 0),
            places,
        }
    }

    /// What may stand at a place.
    pub(crate) fn set_at(&self, place: usize) -> u128 {
        self.places.get(place).copied().unwrap_or(0)
    }

    /// Matches the text from an offset on; says where the value ends, and what it is without
    /// separators.
    pub(crate) fn read(&self, window: &Window<'_>, start: usize) -> Option<(usize, Canonical)> {
        let mut canonical = Canonical::default();
        for (offset, set) in self.places.iter().enumerate() {
            let byte = window.byte(start + offset);
            if !byte.is_ascii() || set & bit(byte) == 0 || byte == 0 {
                return None;
            }
            if byte::is(byte, ALNUM) {
                canonical.push(byte);
            }
        }
        Some((start + self.places.len(), canonical))
    }
}

pub(crate) fn bit(byte: u8) -> u128 {
    1_u128.checked_shl(u32::from(byte)).unwrap_or(0)
}

fn among(kinds: u16) -> u128 {
    (0..128)
        .filter(|b| byte::is(*b, kinds))
        .fold(0, |set, b| set | bit(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, text: &str) -> Option<(usize, String)> {
        let window = Window::new(text, 0, None);
        let (end, canonical) = Form::new(pattern).read(&window, 0)?;
        let canonical = canonical
            .as_bytes()
            .iter()
            .map(|b| char::from(*b))
            .collect();
        Some((end, canonical))
    }

    #[test]
    fn a_form_reads_its_value() {
        assert_eq!(
            read("ddd-dd-dddd", "123-45-6789x"),
            Some((11, "123456789".to_owned()))
        );
        assert_eq!(read("[XYZ]dda", "Y12k"), Some((4, "Y12K".to_owned())));
        for (pattern, text) in [
            ("ddd", "12"),
            ("ddd", "12a"),
            ("A", "a"),
            ("[XY]", "Z"),
            ("N", "é"),
        ] {
            assert_eq!(read(pattern, text), None, "{pattern} {text}");
        }
        let form = Form::new("AA dd");
        assert_eq!((form.first, form.digits, form.letters), (2, false, true));
    }
}
