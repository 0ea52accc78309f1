//! What the parts of a small seal and a small open cost, one by one, in thread CPU time.

use std::error::Error;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::LazyLock;

use aes_gcm::{AeadInOut as _, Aes256Gcm};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use strongroom_bench::case::{Side, medians};
use strongroom_bench::envelope::ours::Ours;
use strongroom_bench::envelope::peers::Tink;
use strongroom_bench::envelope::{Open, Seal};
use subtle::ConstantTimeEq as _;
use vdso_rng::{LocalState, Pool};
use zeroize::{Zeroize as _, Zeroizing};

/// The kernel's own generator in user space, which newer C libraries call for `getrandom`.
static VDSO: LazyLock<Option<Pool>> = LazyLock::new(|| Pool::new().ok());

/// A part's name and its work.
type Part = (&'static str, Side);

fn main() -> Result<(), Box<dyn Error>> {
    print("randomness", randomness());
    match vdso() {
        Some(parts) => print("randomness of the kernel's vDSO", parts),
        None => println!("the kernel's vDSO has no randomness here"),
    }
    print("derivation", derivation()?);
    print("cipher", cipher()?);
    print("memory", memory());
    print("the whole of ours", ours()?);
    print("the whole of tink-rust", tink()?);
    Ok(())
}

fn print<const N: usize>(heading: &str, mut parts: [Part; N]) {
    let times = medians(parts.each_mut().map(|(_, side)| side));
    println!("{heading:44} ns");
    for ((name, _), time) in parts.iter().zip(times) {
        println!("  {name:38} {time:>8.1}");
    }
}

fn randomness() -> [Part; 7] {
    fn getrandom<const N: usize>() -> Side {
        Side::new(|| {
            let mut bytes = [0; N];
            getrandom::fill(black_box(&mut bytes)).map(|()| bytes)
        })
    }
    fn aws_lc<const N: usize>() -> Side {
        Side::new(|| {
            let mut bytes = [0; N];
            aws_lc_rs::rand::fill(black_box(&mut bytes)).map(|()| bytes)
        })
    }
    [
        ("getrandom, 12 B", getrandom::<12>()),
        ("getrandom, 28 B", getrandom::<28>()),
        ("getrandom, 60 B", getrandom::<60>()),
        ("aws-lc, 12 B", aws_lc::<12>()),
        ("aws-lc, 28 B", aws_lc::<28>()),
        ("aws-lc, 60 B", aws_lc::<60>()),
        (
            "rand's thread_rng, 28 B, as tink draws",
            Side::new(|| tink_core::subtle::random::get_random_bytes(black_box(28))),
        ),
    ]
}

/// Linux 6.11 and later; the C library calls it from glibc 2.41 on.
fn vdso() -> Option<[Part; 3]> {
    fn part<const N: usize>(pool: &'static Pool) -> Option<Side> {
        let mut state = LocalState::new(pool).ok()?;
        Some(Side::new(move || {
            let mut bytes = [0; N];
            state.fill(black_box(&mut bytes), 0).map(|()| bytes)
        }))
    }
    let pool = VDSO.as_ref()?;
    Some([
        ("12 B", part::<12>(pool)?),
        ("28 B", part::<28>(pool)?),
        ("60 B", part::<60>(pool)?),
    ])
}

fn derivation() -> Result<[Part; 5], Box<dyn Error>> {
    let key = [9; 32];
    // Two whole blocks are in the state already: the key's and the first of the message's.
    let mut state = Hmac::<Sha256>::new_from_slice(&key)?;
    state.update(&[1; 64]);
    let other = state.clone();
    let finish =
        |state: Hmac<Sha256>| Zeroizing::new(<[u8; 32]>::from(state.finalize().into_bytes()));
    Ok([
        (
            "SHA-256, 64 B",
            Side::new(|| Sha256::digest(black_box([1; 64]))),
        ),
        (
            "HMAC-SHA256, a key's state",
            Side::new(move || Hmac::<Sha256>::new_from_slice(black_box(&key))),
        ),
        (
            "HMAC-SHA256, a key and 64 B",
            Side::new(move || {
                let mut mac = Hmac::<Sha256>::new_from_slice(black_box(&key)).ok()?;
                mac.update(black_box(&[1; 64]));
                Some(finish(mac))
            }),
        ),
        (
            "HMAC-SHA256, cached state and 53 B",
            Side::new(move || {
                let mut mac = black_box(&state).clone();
                mac.update(black_box(&[1; 53]));
                finish(mac)
            }),
        ),
        (
            "  the same for key and commitment",
            Side::new(move || {
                let mut fixed = black_box(&other).clone();
                fixed.update(black_box(&[1; 52]));
                let block = |counter: u8| {
                    let mut mac = fixed.clone();
                    mac.update(&[counter]);
                    finish(mac)
                };
                (block(1), block(2))
            }),
        ),
    ])
}

fn cipher() -> Result<[Part; 8], Box<dyn Error>> {
    fn key() -> Option<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, black_box(&[9; 32])).ok()?;
        Some(LessSafeKey::new(key))
    }
    fn seal(key: &LessSafeKey, buffer: &mut [u8]) -> Option<[u8; 16]> {
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::empty(), black_box(buffer))
            .ok()?;
        tag.as_ref().try_into().ok()
    }
    fn prepared<const N: usize>(key: LessSafeKey) -> Side {
        let mut buffer = [1; N];
        Side::new(move || seal(&key, &mut buffer))
    }
    fn fresh<const N: usize>() -> Side {
        let mut buffer = [1; N];
        Side::new(move || seal(&key()?, &mut buffer))
    }
    fn rust_crypto<const N: usize>() -> Side {
        let mut buffer = [1; N];
        Side::new(move || {
            Aes256Gcm::new(black_box(&[9; 32]).into())
                .encrypt_inout_detached(&[1; 12].into(), b"", black_box(&mut buffer[..]).into())
                .ok()
        })
    }
    let none = "aws-lc made no key";
    let (opener, mut ciphertext) = (key().ok_or(none)?, [1; 64]);
    let tag = seal(&opener, &mut ciphertext).ok_or(none)?;
    Ok([
        ("aws-lc, key made and dropped", Side::new(key)),
        ("aws-lc, seal 64 B", prepared::<64>(key().ok_or(none)?)),
        ("aws-lc, seal 1 KiB", prepared::<1024>(key().ok_or(none)?)),
        ("aws-lc, key and seal 64 B", fresh::<64>()),
        ("aws-lc, key and seal 1 KiB", fresh::<1024>()),
        (
            "aws-lc, open 64 B to another place",
            Side::new(move || {
                let mut plaintext = [0; 64];
                let nonce = Nonce::assume_unique_for_key([1; 12]);
                let aad = Aad::empty();
                let (from, to) = (black_box(&ciphertext), &mut plaintext);
                opener
                    .open_separate_gather(nonce, aad, from, &tag, to)
                    .map(|()| plaintext)
            }),
        ),
        ("RustCrypto, key and seal 64 B", rust_crypto::<64>()),
        ("RustCrypto, key and seal 1 KiB", rust_crypto::<1024>()),
    ])
}

fn memory() -> [Part; 6] {
    let text = [1_u8; 64];
    [
        (
            "a vector of 160 B, made and dropped",
            Side::new(|| Vec::<u8>::with_capacity(black_box(160))),
        ),
        (
            "a vector of 1,200 B, made and dropped",
            Side::new(|| Vec::<u8>::with_capacity(black_box(1200))),
        ),
        (
            "a boxed future, made and dropped",
            Side::new(|| {
                let bytes = black_box([0_u8; 64]);
                let future: Box<dyn Future<Output = [u8; 64]>> = Box::new(async move { bytes });
                future
            }),
        ),
        ("32 B wiped", Side::new(|| black_box([1_u8; 32]).zeroize())),
        (
            "a vector of 64 B, wiped and dropped",
            Side::new(move || Zeroizing::new(black_box(&text).to_vec())),
        ),
        (
            "32 B compared in constant time",
            Side::new(|| black_box([1_u8; 32]).ct_eq(&black_box([1; 32])).unwrap_u8()),
        ),
    ]
}

fn ours() -> Result<[Part; 6], Box<dyn Error>> {
    let ours = Rc::new(Ours::new()?);
    let [short, long] = [64, 1024].map(|size| vec![b'a'; size]);
    let idle = "nothing was sealed";
    let small = ours.seal_cached(&short).ok_or(idle)?;
    let fresh = ours.seal_fresh(&short).ok_or(idle)?;
    let side = |work: Seal, bytes: &[u8]| {
        let (ours, bytes) = (Rc::clone(&ours), bytes.to_vec());
        Side::new(move || work(&ours, black_box(&bytes)))
    };
    let open = |work: Open, bytes: Vec<u8>| {
        let ours = Rc::clone(&ours);
        Side::new(move || work(&ours, black_box(&bytes)))
    };
    Ok([
        ("seal 64 B, cached DEK", side(Ours::seal_cached, &short)),
        ("seal 64 B, fresh DEK", side(Ours::seal_fresh, &short)),
        ("seal 1 KiB, cached DEK", side(Ours::seal_cached, &long)),
        ("seal 1 KiB, fresh DEK", side(Ours::seal_fresh, &long)),
        ("open 64 B, cached DEK", open(Ours::open_cached, small)),
        ("open 64 B, DEK unwrapped", open(Ours::open_fresh, fresh)),
    ])
}

fn tink() -> Result<[Part; 2], Box<dyn Error>> {
    let (tink, opener) = (Tink::new()?, Tink::new()?);
    let sealed = opener.encrypt(&[b'a'; 64]).ok_or("nothing was sealed")?;
    Ok([
        (
            "encrypt 64 B",
            Side::new(move || tink.encrypt(black_box(&[b'a'; 64]))),
        ),
        (
            "decrypt 64 B",
            Side::new(move || opener.decrypt(black_box(&sealed))),
        ),
    ])
}
