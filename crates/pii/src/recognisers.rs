//! One file for each kind of thing that has a grammar of its own.

pub(crate) mod card;
pub(crate) mod code;
pub(crate) mod date;
pub(crate) mod email;
pub(crate) mod iban;
pub(crate) mod ip;
pub(crate) mod month;
pub(crate) mod phone;
pub(crate) mod place;
pub(crate) mod wallet;
pub(crate) mod web;
