//! Small texts that end with a check sum: one that a disk has changed is not read as another.

/// The text with its last line: `crc` and CRC-32 (ISO-HDLC) of all before it, in hexadecimal.
pub(super) fn with_sum(mut text: String) -> String {
    let line = line(&text);
    text.push_str(&line);
    text
}

/// The text before its last line; none if the sum is not its own.
pub(super) fn without_sum(text: &str) -> Option<&str> {
    let at = text.strip_suffix('\n')?.rfind('\n')? + 1;
    let (before, last) = text.split_at_checked(at)?;
    (last == line(before)).then_some(before)
}

fn line(text: &str) -> String {
    format!("crc {:08x}\n", crc32fast::hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_text_is_seen() {
        let text = with_sum("label\nepoch 3\n".to_owned());
        assert_eq!(without_sum(&text), Some("label\nepoch 3\n"));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(without_sum(&changed), None, "byte {at}");
            assert_eq!(without_sum(text.get(..at).unwrap()), None, "cut at {at}");
        }
        assert_eq!(without_sum(&format!("{text}\n")), None);
    }
}
