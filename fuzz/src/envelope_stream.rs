//! Sealed streams from anywhere.

use std::io::{self, Cursor, Read, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroUsize;

use strongroom_envelope::stream::hazmat::Cobblestone256;
use strongroom_envelope::stream::{SealBuffer, StreamError};

const KEY: [u8; 32] = [7; 32];
const CONTEXT: &[u8] = b"context";

fn on(threads: usize) -> Cobblestone256<'static> {
    let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    Cobblestone256::new(&KEY, CONTEXT).threads(threads)
}

fn read_out(reader: io::Result<impl Read>) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader?.read_to_end(&mut out)?;
    Ok(out)
}

fn is_failure(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner == Some(&StreamError::Failed)
}

/// Every way to open agrees, and what opens is the only encoding of what it holds.
pub fn open(data: &[u8]) {
    let whole = on(1).open_to_vec(data);
    let all = [
        read_out(on(1).open_reader(data)),
        read_out(on(2).open_reader(data)),
        read_out(on(1).seek_reader(Cursor::new(data))),
    ];
    let length = on(1)
        .seek_reader(Cursor::new(data))
        .and_then(|mut reader| reader.seek(SeekFrom::End(0)));
    match &whole {
        Ok(plaintext) => {
            for out in all {
                assert_eq!(out.ok().as_deref(), Some(&**plaintext));
            }
            assert_eq!(length.ok(), Some(plaintext.len() as u64));
            let salt = data.first_chunk().expect("an opened stream has a salt");
            assert_eq!(on(1).seal_to_vec(salt, plaintext).as_deref(), Ok(data));
        }
        Err(error) => {
            assert_eq!(*error, StreamError::Failed);
            for out in all {
                assert!(is_failure(&out.expect_err("refused in one way only")));
            }
        }
    }
}

/// However a plaintext is written, the bytes are the same, and they open; the first byte says how
/// long the plaintext is, and the others in what pieces it is written.
pub fn round_trip(data: &[u8]) {
    let Some((times, pieces)) = data.split_first() else {
        return;
    };
    let plaintext = pieces.repeat(usize::from(*times));
    let sealed = on(1).seal_to_vec(&[1; 24], &plaintext);
    let sealed = sealed.expect("a short plaintext");
    for threads in [1, 2] {
        let mut writer = on(threads)
            .seal_writer(&[1; 24], Vec::new())
            .expect("a vector takes everything");
        let mut buffer = SealBuffer::new(b"", plaintext.len()).expect("a short plaintext");
        let mut rest = plaintext.as_slice();
        let mut sizes = pieces.iter().cycle();
        while let (false, Some(size)) = (rest.is_empty(), sizes.next()) {
            let size = (usize::from(*size) * 97 + 1).min(rest.len());
            let (piece, after) = rest.split_at(size);
            writer.write_all(piece).expect("a vector takes everything");
            buffer.write_all(piece).expect("there is room for all");
            if size % 5 == 0 {
                writer.flush().expect("a vector takes everything");
            }
            rest = after;
        }
        let written = writer.finish().expect("a vector takes everything");
        assert!(written == sealed);
        let in_place = on(threads).seal_buffer(&[1; 24], buffer);
        assert!(in_place.as_deref() == Ok(&sealed));
        let opened = on(threads).open_to_vec(&sealed).expect("just sealed");
        assert!(*opened == *plaintext);
        let read = read_out(on(threads).open_reader(sealed.as_slice()));
        assert!(read.expect("just sealed") == plaintext);
    }
}
