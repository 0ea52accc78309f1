//! How a token wraps a key: AES-256-GCM (NIST SP 800-38D) with a random IV, as IV, ciphertext, tag.

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use strongroom_envelope::{Dek, KmsError};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::objects::check_login;

const IV: usize = 12;

const TAG: usize = 16;

/// A wrap's length, in bytes.
pub(crate) const LENGTH: usize = IV + 32 + TAG;

/// Wraps a key.
///
/// The IV is the token's own: its randomness is not repeated when this machine is restored from a
/// snapshot, and a token that insists on making the IV itself writes it where ours stood.
pub(crate) fn wrap(
    session: &Session,
    key: ObjectHandle,
    associated_data: &[u8],
    dek: &Dek,
) -> Result<Vec<u8>, Failure> {
    let mut iv = [0; IV];
    session.generate_random_slice(&mut iv)?;
    let body = {
        let parameters = GcmParams::new(&mut iv, associated_data, (TAG as u64 * 8).into())?;
        session.encrypt(&Mechanism::AesGcm(parameters), key, dek.expose_bytes())?
    };
    if body.len() != LENGTH - IV || iv == [0; IV] {
        return Err(KmsError::Unavailable.into());
    }
    Ok([iv.as_slice(), &body].concat())
}

/// Unwraps a key.
pub(crate) fn unwrap(
    session: &Session,
    key: ObjectHandle,
    associated_data: &[u8],
    bytes: &[u8],
) -> Result<Dek, Failure> {
    let mismatch = || Failure::from(KmsError::ContextMismatch);
    let (iv, body) = bytes.split_first_chunk::<IV>().ok_or_else(mismatch)?;
    let mut iv = *iv;
    let parameters = GcmParams::new(&mut iv, associated_data, (TAG as u64 * 8).into())?;
    let opened = session.decrypt(&Mechanism::AesGcm(parameters), key, body);
    let opened = match opened.map(Zeroizing::new).map_err(Failure::from) {
        Err(failure) if failure.may_be_verdict() => {
            check_login(session)?;
            return Err(mismatch());
        }
        result => result?,
    };
    let dek = <&[u8; 32]>::try_from(opened.as_slice()).map_err(|_| mismatch())?;
    Ok(Dek::from_bytes(dek))
}

/// The longest associated data of a wrap is not longer.
const ASSOCIATED_DATA: usize = 400;

/// Finds out whether the token does what is relied on: what it wraps opens, and only with the
/// same associated data.
pub(crate) fn check(session: &Session, key: ObjectHandle) -> Result<(), Failure> {
    let dek = Dek::generate().map_err(|_| KmsError::Unavailable)?;
    let (this, mut that) = ([1; ASSOCIATED_DATA], [1; ASSOCIATED_DATA]);
    // In the last byte: a token may take less than it is given.
    if let Some(last) = that.last_mut() {
        *last = 2;
    }
    let wrapped = wrap(session, key, &this, &dek)?;
    let opened = unwrap(session, key, &this, &wrapped)?;
    let elsewhere = unwrap(session, key, &that, &wrapped);
    let is_bound = matches!(elsewhere, Err(Failure::Kms(KmsError::ContextMismatch)));
    if is_bound && opened.expose_bytes() == dek.expose_bytes() {
        Ok(())
    } else {
        Err(KmsError::Unavailable.into())
    }
}

#[cfg(test)]
mod tests {
    use strongroom_envelope::{DekId, KeyRef, Provider, Purpose, WrappedDek};
    use strongroom_tenancy::TenantId;

    use super::ASSOCIATED_DATA;

    /// A token that cut it off where nobody looked would bind nothing beyond.
    #[test]
    fn a_token_is_tried_with_what_is_as_long_as_any_wrap_s() {
        let longest: KeyRef = "k".repeat(128).parse().unwrap();
        let purposes = [
            Purpose::Record,
            Purpose::Dek(DekId::from_bytes([0xff; 16])),
            Purpose::Lookup(DekId::from_bytes([0xff; 16])),
            Purpose::Kek {
                name: longest.clone(),
                version: u32::MAX,
                created_at: u64::MAX,
            },
        ];
        let lengths = purposes.map(|purpose| {
            let (provider, tenant) = (Provider::PKCS11, &TenantId::PLATFORM);
            WrappedDek::associated_data(provider, tenant, &longest, u32::MAX, &purpose).len()
        });
        let longest = lengths.into_iter().max().unwrap();
        assert!((300..=ASSOCIATED_DATA).contains(&longest), "{longest}");
    }
}
