//! What is measured of `strongroom-envelope`: the one place that knows its functions.

use std::error::Error;
use std::io::{Read, Write};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use strongroom_envelope::{
    Dek, EncryptionContext, KeyAdmin, KeyRef, Kms, LocalKms, MAX_PLAINTEXT, WrappedDek, hazmat,
    open, read_wraps, seal,
};
use strongroom_tenancy::TenantId;
use tempfile::TempDir;
use zeroize::Zeroizing;

/// A tenant with a key, and a DEK that is at hand.
pub struct Ours {
    kms: LocalKms,
    tenant: TenantId,
    key: [KeyRef; 1],
    context: EncryptionContext,
    dek: Dek,
    wrap: [WrappedDek; 1],
    /// By how much a record is longer than its plaintext.
    overhead: usize,
    _keyring: TempDir,
}

/// A plaintext where it will be encrypted.
pub struct Buffer(Vec<u8>);

impl Ours {
    /// Makes a keyring in a folder that goes when this does.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let keyring = TempDir::new()?;
        let kms = LocalKms::create(keyring.path().join("keyring"))?;
        let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
        let key: KeyRef = "tenant-root".parse()?;
        let context = EncryptionContext::new([("purpose", "message"), ("row", "1000042")])?;
        now(kms.create(&tenant, &key)).ok_or("the keyring did not answer at once")??;
        let dek = Dek::generate()?;
        let wrap = now(kms.wrap(&tenant, &key, &dek)).ok_or("no wrap at once")??;
        let mut ours = Self {
            kms,
            tenant,
            key: [key],
            context,
            dek,
            wrap: [wrap],
            overhead: 0,
            _keyring: keyring,
        };
        ours.overhead = ours.seal_cached(&[]).ok_or("nothing was sealed")?.len();
        Ok(ours)
    }

    /// Seals a record under the DEK at hand.
    pub fn seal_cached(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut random = [0; 28];
        getrandom::fill(&mut random).ok()?;
        let (salt, nonce) = random.split_first_chunk()?;
        hazmat::seal_with(
            &self.dek,
            &self.wrap,
            &self.tenant,
            &self.context,
            salt,
            nonce.try_into().ok()?,
            plaintext,
        )
        .ok()
    }

    /// Seals a record under a DEK of its own, wrapped by the tenant's key.
    pub fn seal_fresh(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let [key] = &self.key;
        now(seal(&self.kms, key, &self.tenant, &self.context, plaintext))?.ok()
    }

    /// Opens a record whose DEK is at hand.
    pub fn open_cached(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        hazmat::open_with(&self.dek, &self.tenant, &self.context, sealed).ok()
    }

    /// Opens a record whose DEK must be unwrapped.
    pub fn open_fresh(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        now(open(
            &self.kms,
            &self.key,
            &self.tenant,
            &self.context,
            sealed,
        ))?
        .ok()
    }

    /// Seals a megabyte: as records of the longest kind, one behind the other.
    pub fn seal_1mib(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let records = plaintext.len().div_ceil(MAX_PLAINTEXT);
        let mut sealed = Vec::with_capacity(plaintext.len() + records * self.overhead);
        for record in plaintext.chunks(MAX_PLAINTEXT) {
            sealed.extend_from_slice(&self.seal_cached(record)?);
        }
        Some(sealed)
    }

    /// Opens what [`seal_1mib`](Self::seal_1mib) sealed.
    pub fn open_1mib(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
        for record in sealed.chunks(MAX_PLAINTEXT + self.overhead) {
            plaintext.extend_from_slice(&self.open_cached(record)?);
        }
        Some(plaintext)
    }

    /// Puts a plaintext where it will be encrypted.
    pub fn buffer(&self, plaintext: &[u8]) -> Option<Buffer> {
        Some(Buffer(plaintext.to_vec()))
    }

    /// Seals a buffer.
    pub fn seal_in_place(&self, buffer: Buffer) -> Option<Vec<u8>> {
        self.seal_1mib(&buffer.0)
    }

    /// Seals all that a reader gives, on one core, with bounded memory.
    pub fn stream_seal(&self, mut from: impl Read, mut to: impl Write) -> Option<()> {
        let mut record = Zeroizing::new(vec![0; MAX_PLAINTEXT]);
        loop {
            let length = from.read(&mut record).ok()?;
            if length == 0 {
                return to.flush().ok();
            }
            to.write_all(&self.seal_cached(record.get(..length)?)?)
                .ok()?;
        }
    }

    /// Wraps a record's DEK anew; the body is not looked at.
    pub fn rewrap(&self, sealed: &[u8]) -> Option<WrappedDek> {
        let [key] = &self.key;
        let first = sealed.chunks(MAX_PLAINTEXT + self.overhead).next()?;
        let wrap = read_wraps(first).ok()?.pop()?;
        now(self.kms.rewrap(&self.tenant, &wrap, key))?.ok()
    }
}

/// What a future gives that waits for nothing, as the local keyring's do.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::long::{LongPlaintext, Nowhere};

    #[test]
    fn all_that_is_measured_is_done() {
        let ours = Ours::new().unwrap();
        let text = vec![b'a'; 1 << 20];
        let short = &text[..1000];

        let sealed = ours.seal_cached(short).unwrap();
        assert_eq!(ours.open_cached(&sealed).unwrap()[..], *short);
        let sealed = ours.seal_fresh(short).unwrap();
        assert_eq!(ours.open_fresh(&sealed).unwrap()[..], *short);
        assert!(ours.open_cached(&sealed).is_none(), "the DEK is its own");
        assert!(ours.rewrap(&sealed).is_some());

        let sealed = ours.seal_1mib(&text).unwrap();
        assert_eq!(ours.open_1mib(&sealed).unwrap()[..], text[..]);
        assert!(ours.rewrap(&sealed).is_some());
        let sealed = ours.seal_in_place(ours.buffer(&text).unwrap()).unwrap();
        assert_eq!(ours.open_1mib(&sealed).unwrap()[..], text[..]);

        let mut sealed = Vec::new();
        ours.stream_seal(LongPlaintext::new(200_000), &mut sealed)
            .unwrap();
        assert!(sealed.len() > 200_000);
        assert!(
            ours.stream_seal(LongPlaintext::new(200_000), Nowhere)
                .is_some()
        );
    }
}
