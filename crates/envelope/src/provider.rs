//! The kind of a KMS, as a record names it.

/// What kind of KMS made a wrap: one byte of the record (`docs/spec/envelope.md`, "Providers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provider(u8);

impl Provider {
    /// The file keyring, [`LocalKms`](crate::LocalKms).
    pub const LOCAL: Self = Self(1);
    /// A tenant's key-encryption key, itself wrapped by a KMS.
    pub const TENANT_KEK: Self = Self(2);
    /// AWS KMS (crate `strongroom-envelope-aws`).
    pub const AWS_KMS: Self = Self(3);
    /// A PKCS#11 token (crate `strongroom-envelope-pkcs11`).
    pub const PKCS11: Self = Self(4);

    /// The first of the numbers that are for anybody's own use.
    const FIRST_PRIVATE: u8 = 128;

    /// Takes a number: one of those above, or 128 to 255 for a KMS of your own.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1..=4 | Self::FIRST_PRIVATE.. => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_nobody_has_are_refused() {
        for refused in [0, 5, 6, 127] {
            assert_eq!(Provider::from_number(refused), None, "{refused}");
        }
        for taken in [1, 2, 3, 4, 128, 255] {
            assert_eq!(Provider::from_number(taken).unwrap().number(), taken);
        }
    }
}
