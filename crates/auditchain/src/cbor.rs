//! A reader of the one encoding that leaves and payloads have: deterministic CBOR (RFC 8949,
//! section 4.2.1), borrowed.

/// Why bytes are not the item that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CborError {
    /// Another item, or none.
    Malformed,
    /// The item in another encoding than its shortest, or of indefinite length.
    NotCanonical,
}

/// The bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

impl<'a> Reader<'a> {
    pub(crate) fn unsigned(&mut self) -> Result<u64, CborError> {
        self.head(UNSIGNED)
    }

    /// A small number, such as a key: one byte.
    #[inline]
    pub(crate) fn small(&mut self) -> Result<u8, CborError> {
        match self.0.split_first() {
            Some((number @ 0..24, rest)) => {
                self.0 = rest;
                Ok(*number)
            }
            _ => u8::try_from(self.head(UNSIGNED)?).map_err(|_| CborError::Malformed),
        }
    }

    pub(crate) fn array(&mut self) -> Result<u64, CborError> {
        self.head(ARRAY)
    }

    pub(crate) fn map(&mut self) -> Result<u64, CborError> {
        self.head(MAP)
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    /// The bytes of a text; that they are UTF-8 is for whoever knows the text's alphabet.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'a [u8], CborError> {
        let length = self.head(TEXT)?;
        self.take(length)
    }

    /// What has been read since `before` was this reader.
    pub(crate) fn since(&self, before: &Self) -> &'a [u8] {
        let read = before.0.len().saturating_sub(self.0.len());
        before.0.get(..read).unwrap_or_default()
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let length = usize::try_from(length).map_err(|_| CborError::Malformed)?;
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(CborError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn head(&mut self, major: u8) -> Result<u64, CborError> {
        let (first, rest) = self.0.split_first().ok_or(CborError::Malformed)?;
        if first >> 5 != major {
            return Err(CborError::Malformed);
        }
        let within = first & 0x1f;
        if within < 24 {
            self.0 = rest;
            return Ok(within.into());
        }
        self.wide(within, rest)
    }

    /// A head whose argument is in the bytes after it, which no shorter one could have held.
    fn wide(&mut self, within: u8, rest: &'a [u8]) -> Result<u64, CborError> {
        fn argument<const N: usize>(rest: &[u8]) -> Result<([u8; N], &[u8]), CborError> {
            let (argument, rest) = rest.split_first_chunk().ok_or(CborError::Malformed)?;
            Ok((*argument, rest))
        }
        let (argument, least, rest) = match within {
            24 => {
                let (argument, rest) = argument(rest)?;
                (u64::from(u8::from_be_bytes(argument)), 24, rest)
            }
            25 => {
                let (argument, rest) = argument(rest)?;
                (u16::from_be_bytes(argument).into(), 1 << 8, rest)
            }
            26 => {
                let (argument, rest) = argument(rest)?;
                (u32::from_be_bytes(argument).into(), 1 << 16, rest)
            }
            27 => {
                let (argument, rest) = argument(rest)?;
                (u64::from_be_bytes(argument), 1 << 32, rest)
            }
            31 => return Err(CborError::NotCanonical),
            _ => return Err(CborError::Malformed),
        };
        if argument < least {
            return Err(CborError::NotCanonical);
        }
        self.0 = rest;
        Ok(argument)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rejections() {
        for (name, bytes, error) in [
            ("nothing", &[][..], CborError::Malformed),
            ("negative", &[0x20], CborError::Malformed),
            ("argument cut off", &[0x19, 1], CborError::Malformed),
            ("reserved argument", &[0x1c], CborError::Malformed),
            ("23 in two bytes", &[0x18, 23], CborError::NotCanonical),
            ("255 in three", &[0x19, 0, 255], CborError::NotCanonical),
            (
                "65535 in five",
                &[0x1a, 0, 0, 255, 255],
                CborError::NotCanonical,
            ),
            (
                "2^32 - 1 in nine",
                &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
                CborError::NotCanonical,
            ),
        ] {
            assert_eq!(Reader(bytes).unsigned(), Err(error), "{name}");
        }
        let indefinite = Reader(&[0xbf, 0xff]).map();
        assert_eq!(indefinite, Err(CborError::NotCanonical));
        let longer_than_it_is = Reader(&[0x5b, 255, 255, 255, 255, 255, 255, 255, 255]).bytes();
        assert_eq!(longer_than_it_is, Err(CborError::Malformed));
        assert_eq!(Reader(&[0x61]).text(), Err(CborError::Malformed));
        assert_eq!(Reader(&[0x40]).text(), Err(CborError::Malformed));
    }

    proptest! {
        /// What minicbor writes is read, and nothing else is read as the same.
        #[test]
        fn a_head_has_one_spelling(number: u64, shift in 0_u32..64, bytes: [u8; 9]) {
            let number = number >> shift;
            let mut written = minicbor::Encoder::new(Vec::new());
            written.u64(number).unwrap();
            let written = written.into_writer();
            prop_assert_eq!(Reader(&written).unsigned(), Ok(number));
            let mut reader = Reader(&bytes);
            let before = reader;
            if let Ok(number) = reader.unsigned() {
                let mut again = minicbor::Encoder::new(Vec::new());
                again.u64(number).unwrap();
                prop_assert_eq!(again.into_writer(), reader.since(&before));
            }
        }
    }
}
