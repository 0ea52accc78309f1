//! A text as the recognisers read it: digits of every script as ASCII, no invisible characters,
//! one kind of space, hyphen and quotation mark; with the way back to where it was.

use std::borrow::Cow;
use std::ops::Range;

/// A text without what hides values in it.
pub(crate) struct Normal<'t> {
    pub(crate) text: Cow<'t, str>,
    shifts: Vec<Shift>,
}

/// From here on both texts run in step, until the next one.
#[derive(Clone, Copy)]
pub(crate) struct Shift {
    normal: usize,
    /// Where the original stands, before what was taken out here and after.
    before: usize,
    after: usize,
}

/// What becomes of a character.
enum Fold {
    Keep,
    Drop,
    To(char),
}

/// How many bytes of invisible characters are taken out at one place. What is behind them there is space: a
/// text of nothing else says nothing, however long a stream of it goes on.
const INVISIBLE: usize = 256;

impl<'t> Normal<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Self::after(0, text).0
    }

    /// The same, of a text that goes on where so many bytes were taken out. Says how many were at its end.
    pub(crate) fn after(taken_out: usize, text: &'t str) -> (Self, usize) {
        // Where the run of them ends, and its length up to there.
        let (mut run_end, mut run) = (0, taken_out);
        let mut shifts: Vec<Shift> = Vec::new();
        let mut normal = String::new();
        // What was not copied yet is as it was.
        let (mut copied, mut from) = (0, 0);
        while let Some((at, c)) = next_beyond_ascii(text, from) {
            let after = at + c.len_utf8();
            from = after;
            let mut fold = fold(c);
            if matches!(fold, Fold::Keep) {
                continue;
            }
            if matches!(fold, Fold::Drop) {
                run = c.len_utf8() + if run_end == at { run } else { 0 };
                run_end = after;
                if run > INVISIBLE {
                    fold = Fold::To(' ');
                }
            }
            if normal.capacity() == 0 {
                normal.reserve(text.len());
            }
            normal.push_str(text.get(copied..at).unwrap_or_default());
            copied = after;
            match fold {
                Fold::To(plain) => {
                    normal.push(plain);
                    shifts.push(Shift {
                        normal: normal.len(),
                        before: after,
                        after,
                    });
                }
                _ => match shifts
                    .last_mut()
                    .filter(|shift| shift.normal == normal.len())
                {
                    Some(shift) => shift.after = after,
                    None => shifts.push(Shift {
                        normal: normal.len(),
                        before: at,
                        after,
                    }),
                },
            }
        }
        let run = if run_end == text.len() { run } else { 0 };
        if shifts.is_empty() {
            let text = Cow::Borrowed(text);
            return (Self { text, shifts }, run);
        }
        normal.push_str(text.get(copied..).unwrap_or_default());
        let text = Cow::Owned(normal);
        (Self { text, shifts }, run)
    }

    /// Where a range of this text was in the original. What was taken out at its ends is not of it.
    pub(crate) fn original(&self, range: Range<usize>) -> Range<usize> {
        way_back(&self.shifts, range)
    }

    pub(crate) fn into_parts(self) -> (Cow<'t, str>, Vec<Shift>) {
        (self.text, self.shifts)
    }
}

impl Shift {
    /// The same, in texts that have so many bytes before.
    pub(crate) fn moved(self, normal: usize, original: usize) -> Self {
        Self {
            normal: self.normal + normal,
            before: self.before + original,
            after: self.after + original,
        }
    }

    /// The same, in texts of which so many bytes were taken away; `None` when it was among them.
    pub(crate) fn back(self, normal: usize, original: usize) -> Option<Self> {
        Some(Self {
            normal: self.normal.checked_sub(normal)?,
            before: self.before.checked_sub(original)?,
            after: self.after - original,
        })
    }

    /// Adds one: what was taken out at one place is one.
    pub(crate) fn join(shifts: &mut Vec<Self>, next: Self) {
        match shifts.last_mut().filter(|last| last.normal == next.normal) {
            Some(last) => last.after = next.after,
            None => shifts.push(next),
        }
    }
}

/// Where a range was in the original.
pub(crate) fn way_back(shifts: &[Shift], range: Range<usize>) -> Range<usize> {
    let shift = |offset: usize| {
        let after = shifts.partition_point(|shift| shift.normal <= offset);
        after
            .checked_sub(1)
            .and_then(|last| shifts.get(last))
            .copied()
    };
    let (start, end) = (shift(range.start), shift(range.end));
    let at = |shift: Option<Shift>, offset: usize, end: bool| match shift {
        None => offset,
        Some(shift) if end && shift.normal == offset => shift.before,
        Some(shift) => shift.after + (offset - shift.normal),
    };
    at(start, range.start, false)..at(end, range.end, true)
}

/// The next character beyond ASCII, from an offset on.
fn next_beyond_ascii(text: &str, from: usize) -> Option<(usize, char)> {
    let rest = text.as_bytes().get(from..)?;
    let mut at = 0;
    // Many bytes at once.
    while rest.get(at..at + CHUNK).is_some_and(<[u8]>::is_ascii) {
        at += CHUNK;
    }
    at += rest.get(at..)?.iter().position(|b| !b.is_ascii())?;
    let c = text.get(from + at..)?.chars().next()?;
    Some((from + at, c))
}

/// How many bytes are looked at together.
const CHUNK: usize = 64;

/// The first digit of each script's ten (Unicode, general category Nd).
const ZEROS: [u32; 24] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810, 0xA620, 0xA8D0, 0xA900, 0xAA50, 0xABF0,
];

fn fold(c: char) -> Fold {
    match c {
        '\0'..='\u{9F}' => Fold::Keep,
        '\u{AD}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}'
        | '\u{FEFF}' => Fold::Drop,
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Fold::To(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => Fold::To('-'),
        '\u{2018}'..='\u{201B}' | '\u{2032}' | '\u{B4}' => Fold::To('\''),
        '\u{201C}'..='\u{201F}' | '\u{2033}' | '\u{AB}' | '\u{BB}' => Fold::To('"'),
        '\u{FE6B}' => Fold::To('@'),
        '\u{2024}' | '\u{FE52}' => Fold::To('.'),
        // The full-width forms stand in the order of ASCII.
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(u32::from(c) - 0xFEE0).map_or(Fold::Keep, Fold::To)
        }
        '\u{1D7CE}'..='\u{1D7FF}' => digit((u32::from(c) - 0x1D7CE) % 10),
        '\u{0660}'..='\u{ABF9}' => {
            let code = u32::from(c);
            let zero = ZEROS.iter().rev().find(|zero| **zero <= code);
            match zero.map(|zero| code - zero) {
                Some(value @ 0..=9) => digit(value),
                _ => Fold::Keep,
            }
        }
        _ => Fold::Keep,
    }
}

fn digit(value: u32) -> Fold {
    char::from_digit(value, 10).map_or(Fold::Keep, Fold::To)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_a_value_is_taken_away() {
        for (text, normal) in [
            ("４１１１", "4111"),
            ("٤١١١ ४", "4111 4"),
            ("41\u{200B}11\u{AD}1", "41111"),
            ("a\u{A0}b\u{2011}c", "a b-c"),
            ("jane＠example．com", "jane@example.com"),
            ("„x“", "\"x\""),
            ("𝟒", "4"),
            ("é話", "é話"),
        ] {
            assert_eq!(Normal::of(text).text, normal);
        }
    }

    #[test]
    fn invisible_characters_without_end_are_space() {
        let hidden = format!("41{}11", "\u{200B}".repeat(85));
        assert_eq!(Normal::of(&hidden).text, "4111");
        let apart = format!("41{}11", "\u{200B}".repeat(88));
        assert_eq!(Normal::of(&apart).text, "41   11");
        for cut in (2..apart.len()).step_by(3) {
            let cut = apart.ceil_char_boundary(cut);
            let (head, run) = Normal::after(0, apart.get(..cut).unwrap_or_default());
            let (rest, _) = Normal::after(run, apart.get(cut..).unwrap_or_default());
            assert_eq!(format!("{}{}", head.text, rest.text), "41   11", "{cut}");
        }
    }

    #[test]
    fn ranges_find_their_way_back() {
        let text = "\u{200B}é41\u{200B}\u{200B}１1\u{200B}x";
        let normal = Normal::of(text);
        assert_eq!(normal.text, "é4111x");
        let at = normal.text.find("4111").unwrap_or(0);
        let range = normal.original(at..at + 4);
        assert_eq!(text.get(range), Some("41\u{200B}\u{200B}１1"));
        assert_eq!(text.get(normal.original(0..2)), Some("é"));
        assert_eq!(normal.original(0..normal.text.len()), 3..text.len());
    }
}
