//! Where in a text a web address is, or what a renderer makes one of: there a value would be sent to
//! whoever the address is of, without anybody's doing.
//!
//! What is not closed is one to its end: too much is withheld rather than too little. Each rule goes
//! through the text once.

use std::ops::Range;

/// The places of a text that are addresses, in order; they may touch.
pub(super) fn addresses(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    tags(bytes, &mut found);
    destinations(bytes, &mut found);
    definitions(bytes, &mut found);
    words(bytes, &mut found);
    functions(bytes, &mut found);
    found.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

fn at(bytes: &[u8], index: usize) -> u8 {
    bytes.get(index).copied().unwrap_or(0)
}

/// Where a byte comes next, or the end.
fn next(bytes: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter()
        .position(|byte| is(*byte))
        .map_or(bytes.len(), |offset| from + offset)
}

/// Tags, comments and addresses in angle brackets, with what stands between `style` or `script` and
/// its end (HTML Living Standard, section 13.2.5: a quoted attribute may have `>` in it).
fn tags(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while from < bytes.len() {
        let open = next(bytes, from, |b| b == b'<');
        let first = at(bytes, open + 1);
        if !(first.is_ascii_alphabetic() || matches!(first, b'/' | b'!' | b'?')) {
            from = open + 1;
            continue;
        }
        let mut end = tag_end(bytes, open + 1);
        for raw in ["style", "script"] {
            let name = bytes.get(open + 1..open + 1 + raw.len());
            if name.is_some_and(|name| name.eq_ignore_ascii_case(raw.as_bytes())) {
                end = closing(bytes, end, raw);
            }
        }
        found.push(open..end);
        from = end.max(open + 1);
    }
}

fn tag_end(bytes: &[u8], from: usize) -> usize {
    let mut index = from;
    while index < bytes.len() {
        match at(bytes, index) {
            b'>' => return index + 1,
            b'=' => {
                index = next(bytes, index + 1, |b| !b.is_ascii_whitespace());
                let quote = at(bytes, index);
                if matches!(quote, b'"' | b'\'') {
                    index = next(bytes, index + 1, |b| b == quote) + 1;
                }
            }
            _ => index += 1,
        }
    }
    bytes.len()
}

fn closing(bytes: &[u8], from: usize, name: &str) -> usize {
    let mut index = from;
    while index < bytes.len() {
        let open = next(bytes, index, |b| b == b'<');
        let end = open + 2 + name.len();
        let is_name = bytes
            .get(open + 2..end)
            .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
        if at(bytes, open + 1) == b'/' && is_name {
            return end;
        }
        index = open + 1;
    }
    bytes.len()
}

/// Destinations of links and images (CommonMark 0.31, section 6.3), with their titles: to the closing
/// bracket, or the end of the paragraph.
fn destinations(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    for start in memchr::memmem::find_iter(bytes, b"](") {
        if start < from {
            continue;
        }
        let end = destination_end(bytes, start + 2);
        found.push(start..end);
        from = end;
    }
}

fn destination_end(bytes: &[u8], from: usize) -> usize {
    let mut index = next(bytes, from, |b| !b.is_ascii_whitespace());
    if at(bytes, index) == b'<' {
        loop {
            index = next(bytes, index + 1, |b| matches!(b, b'>' | b'\n' | b'\\'));
            if at(bytes, index) != b'\\' {
                break;
            }
            index += 1;
        }
    }
    let mut depth = 0_usize;
    while index < bytes.len() {
        match at(bytes, index) {
            b'\\' => index += 1,
            b'(' => depth += 1,
            b')' if depth == 0 => return index + 1,
            b')' => depth -= 1,
            b'\n' => {
                let line = next(bytes, index + 1, |b| !matches!(b, b' ' | b'\t' | b'\r'));
                if at(bytes, line) == b'\n' || line >= bytes.len() {
                    return index;
                }
            }
            _ => {}
        }
        index += 1;
    }
    bytes.len()
}

/// What references are defined as (CommonMark 0.31, section 4.7), on their line and the next.
fn definitions(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let mut start = 0;
    while start < bytes.len() {
        let end = next(bytes, start, |b| b == b'\n');
        let line = bytes.get(start..end).unwrap_or_default();
        // In a quotation or a list as well.
        let marks = |b: u8| b.is_ascii_whitespace() || b.is_ascii_digit() || b">-*+.)".contains(&b);
        let first = line.iter().position(|byte| !marks(*byte));
        if first.is_some_and(|first| at(line, first) == b'[')
            && let Some(colon) = memchr::memmem::find(line, b"]:")
        {
            found.push(start + colon..next(bytes, end + 1, |b| b == b'\n'));
        }
        start = end + 1;
    }
}

/// Words with a scheme, `www.`, or a path behind a host's name; only white space and `<` end one
/// (GitHub Flavored Markdown 0.29, section 6.9).
fn words(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let ends = |b: u8| b.is_ascii_whitespace() || b.is_ascii_control() || b == b'<';
    let mut start = 0;
    while start < bytes.len() {
        let end = next(bytes, start, ends);
        let word = bytes.get(start..end).unwrap_or_default();
        let lower = |needle: &[u8]| {
            word.windows(needle.len())
                .position(|part| part.eq_ignore_ascii_case(needle))
        };
        let path = memchr::memchr(b'.', word).filter(|dot| {
            word.iter()
                .skip(*dot)
                .any(|b| matches!(b, b'/' | b'?' | b'#'))
        });
        let schemes = ["//", "\\\\", "www.", "mailto:", "javascript:", "data:"];
        let begins = schemes.iter().filter_map(|scheme| lower(scheme.as_bytes()));
        if let Some(first) = begins.chain(path).min() {
            found.push(start + first..end);
        }
        start = end + 1;
    }
}

/// What CSS loads: `url(` to its bracket.
fn functions(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    for open in memchr::memchr_iter(b'(', bytes) {
        let name = open.checked_sub(3).and_then(|at| bytes.get(at..open));
        if open < from || !name.is_some_and(|name| name.eq_ignore_ascii_case(b"url")) {
            continue;
        }
        let end = next(bytes, open, |b| b == b')');
        found.push(open..end);
        from = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_in(text: &str, mark: &str) -> bool {
        let offset = text.find(mark).unwrap_or(usize::MAX);
        addresses(text).iter().any(|range| range.contains(&offset))
    }

    #[test]
    fn what_is_sent_by_rendering_is_an_address() {
        let long = "a ".repeat(3000);
        for text in [
            "https://e.example/?q=T",
            "https://e.example/?q='T",
            "https://e.example/?q=\"T",
            "https://e.example/\u{A0}T",
            "e.example/?q=T",
            "//e.example/T",
            "\\\\e.example\\T",
            "WWW.e.example/T",
            "![x](a T)",
            "![x](https://e.example/()'T)",
            "![x]( <a.png? T>)",
            "![x](<?a\\> T>)",
            "![x](a\n\"T\")",
            "[x](a](b ) T)",
            "![x][r]\n\n[r]: a 'T",
            "> [r]:\n> T",
            "<img alt=\">\" src=\"a? T\">",
            "<img alt=\"< \" src=a T>",
            "<img alt = '>' src=T>",
            &format!("<img alt=\"{long}\" src=\"a? T\">"),
            &format!("![{long}](<{long} T>)"),
            "<style>a { background: url('b? T') }</style>",
            "<SCRIPT>fetch(a + 'T')</script>",
            "style: url(a T)",
            "<a T",
            "<!-- T",
            "mailto:T",
            "javascript:send('T')",
        ] {
            assert!(is_in(text, "T"), "{text}");
        }
    }

    #[test]
    fn text_is_none() {
        for text in [
            "if a < b then T",
            "<b>bold</b> T",
            "<img alt='x' src=\"a\"> T",
            "[x](https://e.example) T",
            "[x](<https://e.example/a b>) T",
            "[x](a (b) \\) c) T",
            "see e.example. T",
            "and/or T",
            "T: https://e.example/",
            "[T]: hello",
            "f(x) T",
            "<style>a {}</style> T",
        ] {
            assert!(!is_in(text, "T"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn ranges_are_within_the_text_and_in_order(
            text in "[a-z<>()\\[\\]:/\"'=.\\\\ \n!é]{0,60}",
        ) {
            let mut last = 0;
            for range in addresses(&text) {
                prop_assert!(range.start >= last && range.start < range.end);
                last = range.end;
            }
            prop_assert!(last <= text.len() + 1);
        }
    }
}
