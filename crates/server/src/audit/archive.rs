//! An archive as it is sent: files one after another, in the form that POSIX calls ustar.

/// The unit of the form: a header is one, a file is padded to whole ones.
const BLOCK: usize = 512;

/// The longest file, in bytes: eleven octal digits.
pub(super) const MOST_BYTES: u64 = (1 << 33) - 1;

/// The header of a file. The same file always has the same one: no owner, no time.
pub(super) fn header(path: &str, length: u64) -> Option<[u8; BLOCK]> {
    if path.is_empty() || path.len() > 100 || length > MOST_BYTES {
        return None;
    }
    let mut block = [0_u8; BLOCK];
    put(&mut block, 0, path.as_bytes());
    put(&mut block, 100, b"0000644\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, 124, format!("{length:011o}\0").as_bytes());
    put(&mut block, 136, b"00000000000\0");
    // The sum is taken as if spaces stood in its place.
    put(&mut block, 148, b"        ");
    put(&mut block, 156, b"0");
    put(&mut block, 257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// What follows a file of this length.
pub(super) fn padding(length: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let over = usize::try_from(length % BLOCK as u64).unwrap_or(0);
    let short = (BLOCK - over) % BLOCK;
    ZEROS.get(..short).unwrap_or_default()
}

/// What follows the last file.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_as_posix_has_it() {
        let header = header("tile/0/000", 8192).unwrap();
        assert!(header.starts_with(b"tile/0/000\0"));
        assert_eq!(&header[124..136], b"00000020000\0");
        assert_eq!(&header[148..156], b"007253\0 ");
        assert_eq!(&header[257..265], b"ustar\x0000");
    }

    #[test]
    fn what_does_not_fit_has_no_header() {
        assert!(header("", 0).is_none());
        assert!(header(&"p".repeat(101), 0).is_none());
        assert!(header("p", MOST_BYTES + 1).is_none());
        assert!(header(&"p".repeat(100), MOST_BYTES).is_some());
    }

    #[test]
    fn files_end_at_whole_blocks() {
        for (length, padded) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(length).len(), padded);
        }
    }
}
