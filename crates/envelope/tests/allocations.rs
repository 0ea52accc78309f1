//! What the paths that every record takes allocate: their output, and nothing else.
//!
//! In a program of its own, for its allocator counts. It counts for each thread apart, since the
//! harness allocates too. Where `malloc` can be had from glibc, that is counted as well: through it
//! go the allocations of AWS-LC, which Rust's allocator does not see.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;

use strongroom_envelope::{
    DataKey, Dek, DekId, EncryptionContext, MAX_COMPACT, OpenError, Provider, WrappedDek,
};
use strongroom_tenancy::TenantId;

thread_local! {
    /// Rust's.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    /// All.
    static MALLOCS: Cell<usize> = const { Cell::new(0) };
}

fn count(counter: &'static std::thread::LocalKey<Cell<usize>>) {
    counter.with(|count| count.set(count.get() + 1));
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe to write")]
// SAFETY: the system's, which keeps the contract; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, new_size) }
    }
}

/// In a program, its own `malloc` goes before the library's.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "these are C's functions")]
mod glibc {
    use std::ffi::{c_int, c_void};
    use std::hint::black_box;

    use super::{MALLOCS, count};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(number: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(place: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
        fn free(place: *mut c_void);
    }

    /// As a library in C would.
    pub(super) fn malloc_and_free() {
        // SAFETY: what was had is given back, and not used.
        unsafe { free(black_box(malloc(100))) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        count(&MALLOCS);
        // SAFETY: glibc's `malloc` by its other name, and so below.
        unsafe { __libc_malloc(size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(number: usize, size: usize) -> *mut c_void {
        count(&MALLOCS);
        // SAFETY: as above.
        unsafe { __libc_calloc(number, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(place: *mut c_void, size: usize) -> *mut c_void {
        count(&MALLOCS);
        // SAFETY: as above.
        unsafe { __libc_realloc(place, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(
        place: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int {
        const ENOMEM: c_int = 12;
        count(&MALLOCS);
        // SAFETY: the caller hands over a place to write to and a power of two.
        unsafe {
            let found = __libc_memalign(alignment, size);
            if found.is_null() {
                return ENOMEM;
            }
            *place = found;
        }
        0
    }
}

/// What a backend takes for a record, while it is sealed or opened: AWS-LC, which is written in C,
/// one place for its key; `None` for its FIPS module, whose HMAC has more of them.
const OF_THE_BACKEND: Option<usize> = if cfg!(feature = "fips") {
    None
} else if cfg!(all(
    feature = "aws-lc",
    target_os = "linux",
    target_env = "gnu"
)) {
    Some(1)
} else {
    Some(0)
};

/// What a stream's derivation takes: the HKDF that goes through the FIPS module joins its input.
const OF_HKDF: usize = if cfg!(feature = "fips") { 1 } else { 0 };

/// What `work` returns, and how often Rust's allocator and a library in C were asked for memory.
fn allocations<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (rust, all) = (ALLOCATED.get(), MALLOCS.get());
    let done = work();
    let (rust, all) = (ALLOCATED.get() - rust, MALLOCS.get() - all);
    (done, rust, all.saturating_sub(rust))
}

/// Does the work, which is to allocate so often in Rust, and in the backend what a record takes.
#[track_caller]
fn allocating<T>(expected: usize, what: &str, work: impl FnOnce() -> T) -> T {
    let (done, rust, backend) = allocations(work);
    assert_eq!(rust, expected, "{what}");
    assert_eq!(backend, OF_THE_BACKEND.unwrap_or(backend), "{what}");
    done
}

/// Does the work, which is to allocate nothing.
#[track_caller]
fn free<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (done, rust, backend) = allocations(work);
    assert_eq!(rust, 0, "{what}");
    assert_eq!(backend, OF_THE_BACKEND.map_or(backend, |_| 0), "{what}");
    done
}

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("column", "users.email")]).unwrap()
}

/// Keys of both kinds.
fn keys() -> [DataKey; 2] {
    #[cfg(feature = "fips")]
    strongroom_envelope::fips::accept_streams_outside_the_approved_services();
    let (tenant, context) = (tenant(), context());
    let dek = Dek::from_bytes(&[1; 32]);
    let wrap = WrappedDek {
        provider: Provider::TENANT_KEK,
        key_ref: "tenant".parse().unwrap(),
        key_version: 1,
        bytes: vec![3; 72],
    };
    let keys = [
        DataKey::detached(&dek, &tenant, DekId::from_bytes([2; 16])),
        DataKey::inline(&dek, &tenant, &[wrap.clone(), wrap]).unwrap(),
    ];
    // What AWS-LC sets up when it is first used, and when it first refuses, in each thread.
    let mut sealed = keys[0].seal(&tenant, &context, b"").unwrap();
    keys[0].open(&tenant, &context, &sealed).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    keys[0].open(&tenant, &context, &sealed).unwrap_err();
    keys
}

#[test]
fn the_counters_count() {
    let (boxed, rust, backend) = allocations(|| black_box(Box::new([7_u8; 100])));
    assert_eq!((boxed[0], rust, backend), (7, 1, 0));
    let (zeros, rust, backend) = allocations(|| black_box(vec![0_u8; 1 << 20]));
    assert_eq!((zeros[0], rust, backend), (0, 1, 0));
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let (_, rust, backend) = allocations(glibc::malloc_and_free);
        assert_eq!((rust, backend), (0, 1));
    }
}

#[test]
fn a_record_allocates_its_output() {
    let (tenant, context) = (tenant(), context());
    for key in keys() {
        for length in [0, 1, 28, 1024, MAX_COMPACT, MAX_COMPACT + 1, 1 << 20] {
            let plaintext = vec![7; length];
            let derivation = if length > MAX_COMPACT { OF_HKDF } else { 0 };
            let seal = || key.seal(&tenant, &context, &plaintext).unwrap();
            let sealed = allocating(derivation + 1, &format!("sealing {length}"), seal);
            // No plaintext takes no room.
            let outputs = derivation + usize::from(length > 0);
            let open = || key.open(&tenant, &context, &sealed).unwrap();
            let opened = allocating(outputs, &format!("opening {length}"), open);
            assert_eq!(opened.as_slice(), plaintext);

            let mut altered = sealed.clone();
            *altered.last_mut().unwrap() ^= 1;
            let refuse = || key.open(&tenant, &context, &altered).unwrap_err();
            allocating(outputs, &format!("refusing {length}"), refuse);
        }
    }
}

/// What cannot be opened is told before there is a place for its plaintext.
#[test]
fn refusals_allocate_nothing() {
    let (tenant, context) = (tenant(), context());
    let other = EncryptionContext::new([("column", "users.name")]).unwrap();
    for key in keys() {
        let sealed = key.seal(&tenant, &context, &[7; 1000]).unwrap();
        let open = |tenant: &TenantId, context, sealed| key.open(tenant, context, sealed);
        let refused = free("another context", || open(&tenant, &other, &sealed));
        assert_eq!(refused, Err(OpenError::Failed));
        let platform = TenantId::PLATFORM;
        let refused = free("another tenant", || open(&platform, &context, &sealed));
        assert_eq!(refused, Err(OpenError::Failed));
        for length in 0..sealed.len() - 1000 {
            let cut = &sealed[..length];
            let refused = free("cut short", || open(&tenant, &context, cut));
            assert!(matches!(refused, Err(OpenError::Header(_))), "{length}");
        }
    }
}

/// In the place where the plaintext was written.
#[test]
fn sealing_in_place_allocates_nothing() {
    let (tenant, context) = (tenant(), context());
    for key in keys() {
        for length in [0, 1, 100_000, 1 << 20] {
            let plaintext = vec![7; length];
            let mut buffer = key.seal_buffer(length).unwrap();
            free("filling", || buffer.write_all(&plaintext)).unwrap();
            let sealed = allocating(OF_HKDF, &format!("in place, {length}"), || {
                key.seal_filled(&tenant, &context, NonZeroUsize::MIN, buffer)
            });
            let opened = key.open(&tenant, &context, &sealed.unwrap()).unwrap();
            assert_eq!(opened.as_slice(), plaintext);
        }
    }
}

#[test]
fn a_streams_chunks_allocate_nothing() {
    let (tenant, context, one) = (tenant(), context(), NonZeroUsize::MIN);
    let (plaintext, mut out) = (vec![7; 20_000], vec![0; 20_000]);
    for key in keys() {
        let room = Vec::with_capacity(4 << 20);
        let mut writer = key.seal_writer(&tenant, &context, one, room).unwrap();
        // Until both buffers are there, the one that is filled and the one that is written.
        for _ in 0..8 {
            writer.write_all(&plaintext).unwrap();
        }
        for _ in 0..100 {
            free("writing", || writer.write_all(&plaintext)).unwrap();
        }
        let sealed = free("the end", || writer.finish()).unwrap();

        let input = sealed.as_slice();
        let mut reader = key.open_reader(&tenant, &context, one, input).unwrap();
        for _ in 0..108 {
            free("reading", || reader.read_exact(&mut out)).unwrap();
            assert_eq!(out, plaintext);
        }
        assert_eq!(free("the end", || reader.read(&mut out)).unwrap(), 0);
    }
}
