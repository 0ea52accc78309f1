//! The algorithms that sign.

use std::fmt;
use std::str::FromStr;

/// How a key signs; a key has one algorithm for life, and a token's `alg` must be its key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), which JOSE calls `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864).
    #[default]
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4), for peers without Ed25519.
    Es256,
}

/// The name is that of no algorithm that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("algorithm: expected EdDSA, Ed25519 or ES256")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// The name that is minted and published. Peers hold a JWK's `alg` against the token's, so the
    /// two are one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Reads a name as JOSE spells it, in either generation.
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "EdDSA" | "Ed25519" => Ok(Self::EdDsa),
            "ES256" => Ok(Self::Es256),
            _ => Err(UnknownAlgorithm),
        }
    }
}
