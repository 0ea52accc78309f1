//! The vendors' forms, as their documentation gives them; those whose form says little by itself
//! need their name beside the key.

mod cloud;
mod code;
mod models;
mod services;
mod told;

pub(super) use told::TOLD;

/// A vendor, and the forms of its keys.
pub(super) type Vendor = (&'static str, &'static [&'static str]);
/// A vendor, the forms of its keys, and the words of which one has to stand beside them.
pub(super) type Told = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Forms that tell by themselves.
pub(super) fn plain() -> impl Iterator<Item = &'static Vendor> {
    [models::FORMS, code::FORMS, cloud::FORMS, services::FORMS]
        .into_iter()
        .flatten()
}
