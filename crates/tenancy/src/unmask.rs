//! The capabilities to see values of one class behind their tokens: `pii:unmask:` and the class's id.

use crate::Capability;

/// What the names of these capabilities begin with.
const PREFIX: &str = "pii:unmask:";

macro_rules! classes {
    ($($id:literal,)+) => {
        /// The capabilities' names, in order.
        const NAMES: &[&str] = &[$(concat!("pii:unmask:", $id),)+];
    };
}

// The built-in classes of `strongroom-pii`, by their ids, sorted; the server's tests hold the two lists
// to each other. Keys, logins and connections are kept with these names: one that is taken away is a key
// that opens nothing any more.
classes! {
    "contact.email",
    "contact.phone",
    "contact.social",
    "contact.url",
    "credential.api_key",
    "credential.connection_string",
    "credential.generic",
    "credential.jwt",
    "credential.password",
    "credential.private_key",
    "credential.strongroom",
    "credential.username",
    "finance.aba",
    "finance.account",
    "finance.card",
    "finance.card.cvv",
    "finance.crypto",
    "finance.iban",
    "finance.swift",
    "gov.aadhaar.in",
    "gov.abn.au",
    "gov.acn.au",
    "gov.ahv.ch",
    "gov.ak.lt",
    "gov.amka.gr",
    "gov.brn.kr",
    "gov.bsn.nl",
    "gov.cf.it",
    "gov.cnp.ro",
    "gov.cnpj.br",
    "gov.cpf.br",
    "gov.cpr.dk",
    "gov.cuit.ar",
    "gov.curp.mx",
    "gov.egn.bg",
    "gov.ein.us",
    "gov.emso.si",
    "gov.fnr.no",
    "gov.frn.kr",
    "gov.gstin.in",
    "gov.hetu.fi",
    "gov.hkid.hk",
    "gov.id.de",
    "gov.id.il",
    "gov.id.it",
    "gov.id.tw",
    "gov.id.za",
    "gov.ird.nz",
    "gov.isikukood.ee",
    "gov.itin.us",
    "gov.kt.is",
    "gov.licence.au",
    "gov.licence.ca",
    "gov.licence.de",
    "gov.licence.fr",
    "gov.licence.gb",
    "gov.licence.it",
    "gov.licence.kr",
    "gov.licence.us",
    "gov.medicare.au",
    "gov.mynumber.jp",
    "gov.nhs.gb",
    "gov.nie.es",
    "gov.nif.es",
    "gov.nif.pt",
    "gov.nik.id",
    "gov.nin.ng",
    "gov.nino.gb",
    "gov.nip.pl",
    "gov.nir.fr",
    "gov.nric.my",
    "gov.nric.sg",
    "gov.nrn.be",
    "gov.oib.hr",
    "gov.orgnr.se",
    "gov.pan.in",
    "gov.passport.au",
    "gov.passport.ca",
    "gov.passport.de",
    "gov.passport.es",
    "gov.passport.fr",
    "gov.passport.gb",
    "gov.passport.in",
    "gov.passport.it",
    "gov.passport.kr",
    "gov.passport.us",
    "gov.personnummer.se",
    "gov.pesel.pl",
    "gov.pk.lv",
    "gov.pps.ie",
    "gov.rc.cz",
    "gov.register.de",
    "gov.rfc.mx",
    "gov.rid.cn",
    "gov.rnokpp.ua",
    "gov.rrn.kr",
    "gov.rut.cl",
    "gov.sin.ca",
    "gov.snils.ru",
    "gov.ssn.us",
    "gov.steuerid.de",
    "gov.steuernummer.de",
    "gov.svnr.at",
    "gov.svnr.de",
    "gov.taj.hu",
    "gov.tckn.tr",
    "gov.tfn.au",
    "gov.tin.ph",
    "gov.tnin.th",
    "gov.uen.sg",
    "gov.vat.de",
    "gov.vat.it",
    "gov.voter.in",
    "health.bsnr.de",
    "health.dea.us",
    "health.icd10",
    "health.kvnr.de",
    "health.lanr.de",
    "health.mbi.us",
    "health.mrn",
    "health.npi.us",
    "location.coordinates",
    "location.postcode",
    "net.imei",
    "net.ip",
    "net.mac",
    "person.dob",
    "vehicle.plate",
    "vehicle.vin",
}

/// The capabilities that are one for a whole group of classes, each with its group's classes.
const GROUPS: [(Capability, UnmaskClasses); 9] = [
    group(Capability::UnmaskContact),
    group(Capability::UnmaskCredential),
    group(Capability::UnmaskFinance),
    group(Capability::UnmaskGov),
    group(Capability::UnmaskHealth),
    group(Capability::UnmaskLocation),
    group(Capability::UnmaskNet),
    group(Capability::UnmaskPerson),
    group(Capability::UnmaskVehicle),
];

/// One built-in class, as what a capability to see its values is for.
///
/// ```
/// use strongroom_tenancy::{Capability, UnmaskClass};
///
/// let email = Capability::UnmaskClass(UnmaskClass::new("contact.email").unwrap());
/// assert_eq!("pii:unmask:contact.email".parse(), Ok(email));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnmaskClass(u8);

impl UnmaskClass {
    /// How many there are.
    pub const COUNT: usize = NAMES.len();

    /// The class with this id, if it is a built-in one.
    #[must_use]
    pub fn new(id: &str) -> Option<Self> {
        let id_of = |name: &&'static str| name.strip_prefix(PREFIX).unwrap_or_default();
        let found = NAMES.binary_search_by_key(&id, id_of);
        found
            .ok()
            .and_then(|index| u8::try_from(index).ok().map(Self))
    }

    /// The class of a capability's name.
    pub(crate) fn of_capability(name: &str) -> Option<Self> {
        name.strip_prefix(PREFIX).and_then(Self::new)
    }

    /// Every built-in class, sorted by id.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).zip(NAMES).map(|(index, _)| Self(index))
    }

    /// The capabilities that are for all classes of a group, whose id is the first part of theirs.
    pub fn groups() -> impl Iterator<Item = Capability> {
        GROUPS.iter().map(|(capability, _)| *capability)
    }

    /// The name of the capability that is for this class alone.
    pub(crate) const fn capability(self) -> &'static str {
        match NAMES.split_at_checked(self.0 as usize) {
            Some((_, [name, ..])) => name,
            // There is none beyond the last.
            _ => "",
        }
    }

    /// The class as a bit of 256.
    const fn bit(self) -> [u128; 2] {
        if self.0 < 128 {
            [1 << self.0, 0]
        } else {
            [0, 1 << (self.0 - 128)]
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct UnmaskClasses([u128; 2]);

impl UnmaskClasses {
    pub(crate) const EMPTY: Self = Self([0; 2]);

    /// All classes that are seen with the capabilities that these bits say.
    pub(crate) const fn of_groups(named: u64) -> Self {
        let mut found = Self::EMPTY;
        let mut groups = GROUPS.as_slice();
        while let [(capability, classes), rest @ ..] = groups {
            if named & capability.bit() != 0 {
                found = found.or(*classes);
            }
            groups = rest;
        }
        found
    }

    pub(crate) const fn with(self, class: UnmaskClass) -> Self {
        self.or(Self(class.bit()))
    }

    pub(crate) const fn contains(self, class: UnmaskClass) -> bool {
        !self.and(Self(class.bit())).is_empty()
    }

    pub(crate) const fn is_empty(self) -> bool {
        matches!(self.0, [0, 0])
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        Self([a | c, b | d])
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        Self([a & c, b & d])
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        let [a, b] = other.0;
        self.and(Self([!a, !b]))
    }
}

const _: () = assert!(NAMES.len() < 256, "a class is one bit of 256, and one byte");

/// A group's capability with all classes of the group: those whose names begin with its own, and a dot.
const fn group(capability: Capability) -> (Capability, UnmaskClasses) {
    let mut classes = UnmaskClasses::EMPTY;
    let (mut index, mut names) = (0, NAMES);
    while let [name, rest @ ..] = names {
        if is_within(name.as_bytes(), capability.as_str().as_bytes()) {
            classes = classes.with(UnmaskClass(index));
        }
        (index, names) = (index + 1, rest);
    }
    (capability, classes)
}

const fn is_within(mut name: &[u8], mut group: &[u8]) -> bool {
    while let ([a, name_rest @ ..], [b, group_rest @ ..]) = (name, group) {
        if *a != *b {
            return false;
        }
        (name, group) = (name_rest, group_rest);
    }
    group.is_empty() && matches!(name, [b'.', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_each_is_of_one_group() {
        assert!(NAMES.is_sorted_by(|a, b| a < b));
        for class in UnmaskClass::all() {
            let of = GROUPS.iter().filter(|(_, classes)| classes.contains(class));
            let groups: Vec<_> = of.map(|(capability, _)| capability.as_str()).collect();
            let name = class.capability();
            let (group, _) = name.split_once('.').expect("ids have two parts and more");
            assert_eq!(groups, [group], "{name}");
        }
    }
}
