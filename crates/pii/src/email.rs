//! E-mail addresses: RFC 5321, section 4.1.2, without quoted local parts.

use crate::page::{Page, is_word};
use crate::{Class, Confidence, Evidence};

const ADDRESS: Confidence = Confidence::percent(95);
/// No top-level domain has one letter; yet `a@b.c` is what people write for an address.
const SHORT_TOP_LEVEL: Confidence = Confidence::percent(60);

/// Claims every address around the at signs, which are given in order.
pub(crate) fn claim(page: &mut Page<'_>, ats: &[usize]) {
    // Neither part holds an at sign, so that no byte is walked over more than twice.
    let mut free = 0;
    for &at in ats {
        let Some(end) = domain_end(page, at + 1) else {
            continue;
        };
        let start = local_start(page, at, free);
        if start == at {
            continue;
        }
        let top_level = page
            .text(at + 1..end)
            .rsplit('.')
            .next()
            .unwrap_or_default();
        let confidence = if top_level.chars().nth(1).is_some() {
            ADDRESS
        } else {
            SHORT_TOP_LEVEL
        };
        page.claim(Class::Email, start..end, confidence, &[Evidence::Shape]);
        free = end;
    }
}

/// Where the local part that ends at `at` begins. `=`, `&`, `/` and `?` are legal in it, and
/// are left out: in `user=a@b.c` they end what comes before.
fn local_start(page: &Page<'_>, at: usize, free: usize) -> usize {
    let mut start = at;
    let mut position = at;
    let part = page.text(free..at);
    for c in part.chars().rev() {
        position -= c.len_utf8();
        let legal = is_word(c) || "._%+-'!#$*~^".contains(c);
        if !legal || (c == '.' && page.byte(position + 1) == b'.') {
            break;
        }
        // It begins with a letter, a digit or an underscore: a quotation mark or a dash before
        // an address is not of it.
        if is_word(c) || c == '_' {
            start = position;
        }
    }
    start
}

/// Where the domain that starts at `start` ends: after the last label that can be a top-level
/// domain, the first label excepted.
fn domain_end(page: &Page<'_>, start: usize) -> Option<usize> {
    if page.byte(start) == b'[' {
        return literal_end(page, start);
    }
    let mut end = None;
    let mut label = Label::default();
    let mut labels = 0;
    let mut position = start;
    // A label is at most 63 bytes and a name 255 (RFC 1035, section 2.3.4); past that no label
    // is a top-level domain, so the rest need not be walked.
    let rest = page.text(start..page.bytes().len());
    for c in rest.chars() {
        if position > start + 255 {
            return end;
        }
        if c == '.' {
            if label.length == 0 {
                return end;
            }
            labels += 1;
            label = Label::default();
        } else if c == '-' || is_word(c) {
            label.push(c);
            if labels > 0 && label.can_be_top_level() {
                let next = position + c.len_utf8();
                if !page.word_at(next) || page.byte(next) == b'-' {
                    end = Some(next);
                }
            }
        } else {
            return end;
        }
        position += c.len_utf8();
    }
    end
}

/// An address literal: `[192.0.2.1]` or `[IPv6:...]` (RFC 5321, section 4.1.3).
fn literal_end(page: &Page<'_>, start: usize) -> Option<usize> {
    let text = page.text(start..page.bytes().len());
    // The longest literal is `[IPv6:` with 45 characters and `]`.
    let close = text.bytes().take(52).position(|byte| byte == b']')?;
    let inner = page.text(start + 1..start + close);
    let valid = match inner.strip_prefix("IPv6:") {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => inner.parse::<std::net::Ipv4Addr>().is_ok(),
    };
    valid.then_some(start + close + 1)
}

#[derive(Default)]
struct Label {
    length: usize,
    letters: bool,
    prefix: [u8; 4],
}

impl Label {
    fn push(&mut self, c: char) {
        if self.length == 0 {
            self.letters = true;
        }
        if let Some(slot) = self.prefix.get_mut(self.length) {
            *slot = u8::try_from(c).unwrap_or(0).to_ascii_lowercase();
        }
        self.letters &= c.is_alphabetic();
        self.length += 1;
    }

    /// Letters only, or an internationalised label in its ASCII form (RFC 5890).
    fn can_be_top_level(&self) -> bool {
        self.length <= 63 && (self.letters || (self.prefix == *b"xn--" && self.length > 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut page = Page::new(text);
        let ats: Vec<_> = memchr::memchr_iter(b'@', text.as_bytes()).collect();
        claim(&mut page, &ats);
        let matches = page.into_matches();
        matches
            .into_iter()
            .map(|m| text.get(m.range).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("a@b.c", "a@b.c"),
            ("user=a@b.c", "a@b.c"),
            (
                "<a href=\"mailto:Ann.Lee@mail.example.co.uk\">",
                "Ann.Lee@mail.example.co.uk",
            ),
            ("write to john+tag_1@example.com.", "john+tag_1@example.com"),
            ("'o'brien@example.ie'", "o'brien@example.ie"),
            ("see...john@example.com", "john@example.com"),
            ("-john@example.com-", "john@example.com"),
            ("user@xn--80ak6aa92e.com", "user@xn--80ak6aa92e.com"),
            ("user@example.xn--p1ai", "user@example.xn--p1ai"),
            ("jörg@müller.de", "jörg@müller.de"),
            ("john@example.com2", ""),
            ("john@example.com-foo", "john@example.com"),
            (
                "https://u:p@h.example/?m=ann@example.com&x=1",
                "ann@example.com",
            ),
            ("j@[192.0.2.1]", "j@[192.0.2.1]"),
            ("j@[IPv6:2001:db8::1] ", "j@[IPv6:2001:db8::1]"),
            ("メールはjohn@example.comです", "john@example.com"),
        ] {
            let all = found(text);
            assert_eq!(all.last().map_or("", String::as_str), expected, "{text}");
        }
        assert_eq!(
            found("a@x.com,b@y.org;c@z.net"),
            ["a@x.com", "b@y.org", "c@z.net"]
        );
    }

    #[test]
    fn what_is_not_an_address() {
        for text in [
            "",
            "@",
            "a@",
            "@b.com",
            "a@b",
            "a@.com",
            "a@b..com",
            "a @b.com",
            "a@ b.com",
            "@@@@",
            "a@b.1",
            "user@host",
            "[EMAIL]@example.com",
            "a@[EMAIL]",
            "j@[999.0.0.1]",
            "=@b.com",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
