//! The token's PIN.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

/// The longest PIN, in bytes; what tokens take is far shorter.
const MAX: u64 = 1_024;

/// The PIN of a token's user; wiped when dropped.
pub struct Pin(SecretString);

/// Why a file gives no PIN.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The file cannot be read.
    #[error("pin file: {0}")]
    Io(#[from] io::Error),
    /// The group or others may read or write the file.
    #[error("pin file: others than its owner may read or write it; expected mode 0600 or 0400")]
    Mode,
    /// The file holds no PIN, more than 1,024 bytes, or bytes that are not UTF-8.
    #[error("pin file: expected 1 to 1024 bytes of UTF-8")]
    Malformed,
}

impl Pin {
    /// Takes a PIN that the caller has.
    #[must_use]
    pub fn new(pin: String) -> Self {
        Self(SecretString::from(pin))
    }

    /// Reads a PIN from a file of its own. A line break at its end is no part of the PIN.
    ///
    /// # Errors
    /// [`PinError`] when the file cannot be read, others may read it, or it holds no PIN.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PinError> {
        let file = File::open(path)?;
        check_mode(&file)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX as usize + 1));
        file.take(MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX {
            return Err(PinError::Malformed);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| PinError::Malformed)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(PinError::Malformed);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// The PIN, for the token alone.
    pub(crate) fn expose(&self) -> &SecretString {
        &self.0
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(..)")
    }
}

#[cfg(unix)]
fn check_mode(file: &File) -> Result<(), PinError> {
    use std::os::unix::fs::PermissionsExt as _;
    if file.metadata()?.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(PinError::Mode)
    }
}

#[cfg(not(unix))]
fn check_mode(_: &File) -> Result<(), PinError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn read(bytes: &[u8]) -> Result<Pin, PinError> {
        Pin::read(written(bytes).path())
    }

    #[test]
    fn a_file_holds_one_pin() {
        for (bytes, pin) in [
            (b"1234".as_slice(), "1234"),
            (b"1234\n", "1234"),
            (b"1234\r\n", "1234"),
            (b" 12 34 ", " 12 34 "),
            ("pin-é".as_bytes(), "pin-é"),
            (&[b'1'; 1_024], &"1".repeat(1_024)),
        ] {
            assert_eq!(read(bytes).unwrap().expose().expose_secret(), pin);
        }
        for bytes in [b"".as_slice(), b"\n", b"\r\n", b"\xFF", &[b'1'; 1_025]] {
            assert!(matches!(read(bytes), Err(PinError::Malformed)), "{bytes:?}");
        }
        assert!(matches!(Pin::read("/nowhere/pin"), Err(PinError::Io(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = written(b"1234");
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o777] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = Pin::read(file.path());
            assert!(matches!(refused, Err(PinError::Mode)), "{mode:o}");
        }
        for mode in [0o600, 0o400] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(Pin::read(file.path()).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let pin = Pin::new("1234".into());
        wiped(&pin.0);
        assert_eq!(format!("{pin:?}"), "Pin(..)");
    }
}
