//! How far back a candidate can start, and so what a stream holds back.

use super::byte::{self, HEX, ODD, SPACE, STOP, UPPER};
use super::window::BEHIND;
use crate::recognisers::month;

/// The earliest place at which a candidate of an anchor at or after `at` can start: the start of
/// what goes on there without white space, or of one of the two words before it that may belong to a
/// value: `AB` of `AB 12`, `john` of "john at example dot com", the month of a date, a password of "x
/// is my password". Pairs such as `Server=x` and words such as "is my" between do not count.
///
/// What is before it is decided: no candidate starts there, in a text that comes whole no more than
/// in one that comes in pieces. It never goes back as more of the text comes, since a word that is
/// not ended may become any.
pub(crate) fn reach(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let floor = at.saturating_sub(BEHIND);
    let is_gap = |b: &u8| byte::is(*b, SPACE | STOP);
    let back = |end: usize| {
        let before = bytes.get(floor..end).unwrap_or_default();
        before
            .iter()
            .rposition(is_gap)
            .map_or(floor, |gap| floor + gap + 1)
    };
    // Behind the quotation mark that closes a word the word goes on.
    let closes = matches!(bytes.get(..at).and_then(<[u8]>::last), Some(b'`' | b'"'));
    let run = back(at - usize::from(closes));
    let (mut start, mut earliest) = (run, run);
    let mut next = bytes.get(run..at).unwrap_or_default();
    let (mut counted, mut first, mut capitals, mut between) = (0, true, true, true);
    while counted < 2 && start > floor && bytes.get(start - 1) == Some(&b' ') {
        let end = start - 1;
        // A word in quotation marks is one.
        let before = bytes.get(..end).unwrap_or_default();
        let quoted = matches!(before.last(), Some(b'`' | b'"' | b'\'' | b')'));
        start = back(end - usize::from(quoted));
        let word = bytes.get(start..end).unwrap_or_default();
        let is_odd = word.iter().any(|b| byte::is(*b, ODD));
        let is_pair = is_odd && word.contains(&b'=');
        if is_pair
            || if first { may_be_at(next) } else { is_at(next) }
            || (first || next.contains(&b'=')) && is_key(word)
            || quoted && between
            || is_odd && between && may_be_secret(word)
            || capitals && is_code(word)
            || first && month::is_month(word)
        {
            earliest = start;
        }
        let is_between = is_between(word);
        counted += usize::from(!is_pair && !is_between);
        capitals &= is_code(word);
        between &= is_between;
        (next, first) = (word, false);
    }
    while earliest > 0 && !text.is_char_boundary(earliest) {
        earliest -= 1;
    }
    earliest
}

/// Whether a word may be the first of a key of two, in lists of pairs: `Data Source=x`.
fn is_key(word: &[u8]) -> bool {
    const KEYS: [&[u8]; 8] = [
        b"data",
        b"initial",
        b"user",
        b"integrated",
        b"persist",
        b"failover",
        b"network",
        b"application",
    ];
    word.len() >= 4 && KEYS.iter().any(|key| word.eq_ignore_ascii_case(key))
}

/// Whether a word is "at" as it is spelled out in an address.
const fn is_at(word: &[u8]) -> bool {
    matches!(word, b"at" | b"AT" | b"At" | b"(at)" | b"[at]")
}

/// Whether a word may become one.
const fn may_be_at(word: &[u8]) -> bool {
    is_at(word)
        || matches!(
            word,
            b"" | b"a" | b"A" | b"(" | b"(a" | b"(at" | b"[" | b"[a" | b"[at"
        )
}

/// Whether a word stands between a value and its name behind it: "x is my password".
const fn is_between(word: &[u8]) -> bool {
    matches!(
        word,
        b"at"
            | b"is"
            | b"as"
            | b"my"
            | b"your"
            | b"the"
            | b"a"
            | b"his"
            | b"her"
            | b"our"
            | b"new"
            | b"login"
            | b"user"
    )
}

/// Letters that numbers of documents and plates begin with, or what is a hexadecimal number as well.
fn is_code(word: &[u8]) -> bool {
    let all = |kinds: u16| word.iter().all(|b| byte::is(*b, kinds));
    (1..=6).contains(&word.len())
        && (all(UPPER)
            || matches!(word.len(), 2 | 4) && all(HEX)
            || super::number::is_register(word))
}

/// Whether a word has a digit in it, or a sign that words of prose have not.
fn may_be_secret(word: &[u8]) -> bool {
    let ends = |b: &&u8| matches!(b, b'.' | b',' | b'?' | b'!' | b':' | b')');
    let body = word.len() - word.iter().rev().take_while(ends).count();
    let body = word.get(..body).unwrap_or_default();
    body.iter().any(|b| byte::is(*b, ODD))
}

/// The start of what goes on at an offset without white space, or a place after it.
pub(super) fn near(bytes: &[u8], at: usize) -> usize {
    let floor = at.saturating_sub(24);
    let before = bytes.get(floor..at).unwrap_or_default();
    let gap = before.iter().rposition(|b| byte::is(*b, SPACE | STOP));
    gap.map_or(at, |gap| floor + gap + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_prose_are_not_held() {
        for (text, rest) in [
            ("Certainly! I can help", "help"),
            ("Certainly", "Certainly"),
            // It may become "at".
            ("write to john ", "john "),
            ("write to john a", "john a"),
            ("write to john an", "an"),
            ("write to john at exam", "john at exam"),
            ("plate AB 12", "AB 12"),
            ("on AB CD 12", "AB CD 12"),
            ("born in March 12", "March 12"),
            ("Horse7 is my pass", "Horse7 is my pass"),
            ("Server=x; Id=app;", "Server=x; Id=app;"),
            ("Sure. `Hunter2!x`", "Hunter2!x`"),
            ("Sure. \"Hunter2!x\" is my", "Hunter2!x\" is my"),
        ] {
            let start = reach(text, text.len());
            assert_eq!(text.get(start..), Some(rest), "{text}");
        }
    }

    #[test]
    fn it_never_goes_back() {
        let text = "Meet john at example dot com or AB 12 CDE, March 3, 1988; x7! is my new pw, a=b c=d e. \
                    `x7!` is my \"pw\" a\"b\" \"c d\"";
        let reaches: Vec<usize> = (0..=text.len())
            .map(|end| reach(text.get(..end).unwrap_or_default(), end))
            .collect();
        assert!(reaches.is_sorted(), "{reaches:?}");
    }
}
