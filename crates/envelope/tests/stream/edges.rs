//! Readers and writers that give little, fail or lie.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use super::{CHUNK, HEAD, SALT, SEALED_CHUNK, on, plaintext, read_out, sealed, stream};

/// Takes or gives one byte at a time, and fails now and then.
struct Slow<T> {
    inner: T,
    calls: usize,
    fails: fn(usize) -> Option<ErrorKind>,
}

impl<T> Slow<T> {
    fn next(&mut self) -> io::Result<()> {
        self.calls += 1;
        (self.fails)(self.calls).map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl<W: Write> Write for Slow<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.next()?;
        self.inner.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.next()?;
        let length = room.len().min(1);
        self.inner.read(&mut room[..length])
    }
}

impl<S: Seek> Seek for Slow<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn one_byte_at_a_time_with_errors_in_between() {
    let fails: fn(usize) -> Option<ErrorKind> = |call| match call % 1000 {
        1 => Some(ErrorKind::Interrupted),
        500 if call < 100_000 => Some(ErrorKind::WouldBlock),
        _ => None,
    };
    let plaintext = plaintext(9 * CHUNK + 3);
    let sealed = sealed(plaintext.len());
    for threads in [1, 2] {
        let slow = |calls| Slow {
            inner: Vec::new(),
            calls,
            fails,
        };
        let mut writer = on(threads).seal_writer(&SALT, slow(0)).unwrap();
        let mut written = 0;
        let mut blocked = 0;
        while written < plaintext.len() {
            let end = plaintext.len().min(written + 20_000);
            match writer.write(&plaintext[written..end]) {
                Ok(count) => written += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            while let Err(error) = writer.flush() {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                blocked += 1;
            }
        }
        assert!(blocked > 50, "{blocked}");
        let slow = writer.finish().unwrap();
        assert!(slow.inner == sealed);

        let slow = Slow {
            inner: sealed.as_slice(),
            calls: 0,
            fails,
        };
        let mut reader = on(threads).open_reader(slow).unwrap();
        let (mut out, mut room) = (Vec::new(), [0; 3000]);
        loop {
            match reader.read(&mut room) {
                Ok(0) => break,
                Ok(count) => out.extend_from_slice(&room[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert!(out == plaintext);
    }
}

#[test]
fn a_reader_that_fails_in_the_middle_gives_its_own_error() {
    let plaintext = plaintext(20 * CHUNK);
    let sealed = sealed(plaintext.len());
    for threads in [1, 2] {
        for place in [HEAD, HEAD + 5, HEAD + SEALED_CHUNK, 19 * SEALED_CHUNK + 100] {
            struct Broken;
            impl Read for Broken {
                fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                    Err(ErrorKind::ConnectionReset.into())
                }
            }
            let mut reader = on(threads)
                .open_reader(sealed[..place].chain(Broken))
                .unwrap();
            let (out, result) = read_out(&mut reader, 4096);
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert!(out == plaintext[..(place - HEAD) / SEALED_CHUNK * CHUNK]);
        }
    }
    let fails = |call| (call == 30).then_some(ErrorKind::ConnectionReset);
    let slow = Slow {
        inner: sealed.as_slice(),
        calls: 0,
        fails,
    };
    let error = stream().open_reader(slow).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reader_that_claims_too_much_is_refused() {
    struct Liar(usize);
    impl Read for Liar {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_sub(1);
            Ok(room.len() + usize::from(self.0 == 0))
        }
    }
    let error = stream().open_reader(Liar(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let sealed = sealed(5 * CHUNK);
    for threads in [1, 2] {
        let liar = sealed[..HEAD].chain(Liar(1));
        let mut reader = on(threads).open_reader(liar).unwrap();
        let error = reader.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
    }
}

#[test]
fn a_writer_that_fails_is_told() {
    struct Full(Cell<usize>);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.0.get().min(bytes.len());
            self.0.set(self.0.get() - room);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for threads in [1, 2] {
        for room in [0, 10, HEAD + SEALED_CHUNK, 30 * SEALED_CHUNK] {
            let full = Full(Cell::new(room));
            let mut writer = on(threads).seal_writer(&SALT, full).unwrap();
            let written = writer.write_all(&plaintext(40 * CHUNK));
            let result = written.and_then(|()| writer.finish().map(|_| ()));
            assert_eq!(result.unwrap_err().kind(), ErrorKind::WriteZero);
        }
    }
}
