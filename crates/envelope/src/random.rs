//! Randomness: the operating system's, or with `fips` the module's.

use crate::dek::RandomnessError;

/// Fills the bytes, or fails; there is no pool (`docs/spec/envelope.md`, "Randomness").
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), RandomnessError> {
    #[cfg(feature = "fips")]
    return aws_lc_rs::rand::fill(bytes).map_err(|_| RandomnessError);
    #[cfg(not(feature = "fips"))]
    getrandom::fill(bytes).map_err(|_| RandomnessError)
}

/// That many random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], RandomnessError> {
    let mut bytes = [0; N];
    fill(&mut bytes).map(|()| bytes)
}
