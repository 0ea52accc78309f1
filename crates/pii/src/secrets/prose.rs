//! What a secret's name is given in a sentence: "the password is x", "x is my password".

use super::assigned::propose;
use super::code::is_pointer;
use super::name::{Names, name_before};
use super::read::{trimmed, value};
use super::value::{Value, is_odd};
use crate::engine::again::FILL;
use crate::engine::byte::{self, LETTER, SPACE};
use crate::engine::candidate::Candidate;
use crate::engine::lexicon::Lexicon;
use crate::engine::placeholder;
use crate::engine::window::Window;

/// Proposes what follows a secret's name that ends at an offset, without a sign: after a verb, or
/// straight behind it. What a name with its verb was found by has no value before it.
pub(crate) fn after(
    window: &Window<'_>,
    lexicon: &Lexicon,
    end: usize,
    verb_follows: bool,
    found: &mut Vec<Candidate>,
) {
    // `log in as ann`
    let names = if window.bytes(end.saturating_sub(3), end) == b" as"
        || window.bytes(end.saturating_sub(4), end) == b" als"
    {
        Some(Names {
            username: true,
            ..Names::default()
        })
    } else {
        name_before(window, lexicon, end)
    };
    let Some(names) = names else {
        return;
    };
    if names.username
        && !names.password
        && window.byte(end) == b' '
        && window.before(end) == b's'
        && window.bytes(end.saturating_sub(3), end).contains(&b' ')
    {
        if let Some(value) = value(window, end) {
            propose(window, &names, &trimmed(window, value), false, found);
        }
        return;
    }
    let name = window.run_back(end, byte::LETTER);
    // "x is the key is" is no sentence.
    if !verb_follows {
        prose_before(window, &names, name, found);
    }
    let verb = is_verb(window, name, end);
    // Up to the verb there are words and nothing else.
    let mut at = end;
    for _ in 0..8 {
        if window.byte(at) != b' ' {
            return;
        }
        let word = window.run_while(at + 1, |b| byte::is(b, LETTER) || !b.is_ascii());
        let text = window.text(at + 1, word).to_lowercase();
        if VERBS.contains(&text.as_str()) {
            if !(verb && text == "to")
                && let Some(value) =
                    value(window, word).filter(|value| value.quoted || is_odd(window, value))
            {
                propose(window, &names, &trimmed(window, value), false, found);
            }
            return;
        }
        if at == end
            && !verb
            && let Some(value) =
                value(window, at).filter(|value| value.quoted || is_odd(window, value))
        {
            // A text of SQL is not in backticks; `pwd *user_pwd` is a declaration.
            if is_pointer(window.text(value.start, value.end)) {
                return;
            }
            let sql = window.bytes(name.saturating_sub(11), end);
            if window.before(value.start) == b'`' && sql.eq_ignore_ascii_case(b"identified by") {
                return;
            }
            propose(window, &names, &trimmed(window, value), false, found);
            return;
        }
        if word == at + 1 || text.len() > 20 {
            return;
        }
        at = word;
    }
}

/// Whether "pass" is what somebody does, by the word before it or for want of one.
fn is_verb(window: &Window<'_>, start: usize, end: usize) -> bool {
    const DOERS: [&str; 30] = [
        "to", "can", "could", "may", "might", "must", "should", "will", "would", "we", "you", "i",
        "they", "not", "t", "don", "never", "and", "or", "then", "also", "just", "simply",
        "please", "instead", "need", "allow", "make", "let", "rerun",
    ];
    if !window.bytes(start, end).eq_ignore_ascii_case(b"pass") {
        return false;
    }
    let gap = start - usize::from(window.before(start) == b' ');
    let word = window.text(window.run_back(gap, LETTER), gap);
    let begins = gap < start && matches!(window.before(gap), b'-' | b'*' | b':' | b'`' | b')');
    begins || DOERS.contains(&word.to_ascii_lowercase().as_str())
}

/// How much of a word before "is my password" is taken, in bytes.
const WORD_MAX: usize = 192;

/// Proposes the value before "is my password".
fn prose_before(
    window: &Window<'_>,
    names: &Names<'_>,
    name_start: usize,
    found: &mut Vec<Candidate>,
) {
    let mut at = name_start;
    let mut verb = false;
    for _ in 0..5 {
        while window.before(at) == b' ' {
            at -= 1;
        }
        let mut start = at;
        let is_whole = |start: usize| match window.before(start) {
            b']' => placeholder::is_before(window, start),
            b => start == 0 || b == FILL || byte::is(b, SPACE),
        };
        while at - start < WORD_MAX && !is_whole(start) {
            start -= 1;
        }
        let word = window.text(start, at);
        if verb {
            let (mut from, mut to) = (start, at);
            while matches!(window.byte(from), b'`' | b'"' | b'\'' | b'(') {
                from += 1;
            }
            while to > from && matches!(window.before(to), b'`' | b'"' | b'\'' | b',' | b')') {
                to -= 1;
            }
            let value = Value {
                start: from,
                end: to,
                quoted: false,
            };
            if to > from && is_odd(window, &value) {
                propose(window, names, &value, false, found);
            }
            return;
        }
        match word {
            "is" | "as" => verb = true,
            "my" | "your" | "the" | "a" | "his" | "her" | "our" | "new" | "login" | "user" => {}
            _ => return,
        }
        at = start;
    }
}

/// Between a name and its value.
const VERBS: [&str; 14] = [
    "is", "was", "to", "lautet", "ist", "est", "es", "é", "è", "jest", "as", "als", "becomes",
    "will",
];
