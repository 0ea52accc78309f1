//! Sabotages of the embedded audit store's files and folders.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "base-check-sum-ignored",
        file: "crates/auditchain/src/store/checked.rs",
        find: "(last == line(before)).then_some(before)",
        replace: "(last.len() == line(before).len()).then_some(before)",
        test: "-p strongroom-auditchain --test store -- --exact base::a_flipped_bit_of_one_zones_base_loses_nothing",
    },
    Mutation {
        name: "base-believed-without-the-frames-after-it",
        file: "crates/auditchain/src/store/history.rs",
        find: "base.sequence > 0 && files.first() != Some(&(base.sequence + 1))",
        replace: "base.sequence == u64::MAX && files.is_empty()",
        test: "-p strongroom-auditchain --test store -- --exact base::a_zone_whose_frames_are_gone_does_not_speak_for_its_base",
    },
    Mutation {
        name: "base-of-any-number",
        file: "crates/auditchain/src/store/history.rs",
        find: "if base.epoch.max(base.sequence) > MAX_NUMBER {",
        replace: "if base.epoch == MAX_NUMBER {",
        test: "-p strongroom-auditchain --test store -- --exact base::numbers_that_no_store_gives_are_refused",
    },
];
