//! SHA-256 (FIPS 180-4).

/// The hash of the parts, one after the other.
pub(crate) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    #[cfg(feature = "fips")]
    {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        parts.into_iter().for_each(|part| context.update(part));
        let mut hash = [0; 32];
        for (slot, byte) in hash.iter_mut().zip(context.finish().as_ref()) {
            *slot = *byte;
        }
        hash
    }
    #[cfg(not(feature = "fips"))]
    {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        parts.into_iter().for_each(|part| hash.update(part));
        hash.finalize().into()
    }
}
