//! Sabotages of the embedded audit store.

use super::Mutation;

/// The model of disks that fail.
const MODEL: &str =
    "-p strongroom-auditchain --test store -- --exact model::what_was_acknowledged_is_there";

const FRAMES: &str = "-p strongroom-auditchain --test store -- --exact frames::rejections";

const DAMAGE: &str = "-p strongroom-auditchain --test store -- --exact damage::a_damaged_frame_of_the_only_zone_is_not_passed_over";

const ERASED: &str =
    "-p strongroom-auditchain --test store -- --exact erasure::what_was_erased_is_on_no_disk";

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "late-failure-leaves-the-committer",
        file: "crates/auditchain/src/store.rs",
        find: "let _ = store.inbox.command(Command::Poison(error.to_string()));",
        replace: "std::mem::forget(store);",
        test: "-p strongroom-auditchain --test store an_opening_that_fails_leaves_nothing_running",
    },
    Mutation {
        name: "frame-checksum-ignored",
        file: "crates/auditchain/src/store/wal.rs",
        find: "if crc32fast::hash(covered) != crc {",
        replace: "if crc32fast::hash(covered) != crc && covered.is_empty() {",
        test: FRAMES,
    },
    Mutation {
        name: "frame-of-any-store",
        file: "crates/auditchain/src/store/wal.rs",
        find: "if header.array::<16>().ok_or(FrameError::CutOff)? != *store {",
        replace: "if header.array::<16>().ok_or(FrameError::CutOff)? != *store && bytes.is_empty() {",
        test: FRAMES,
    },
    Mutation {
        name: "frame-length-unbounded",
        file: "crates/auditchain/src/store/wal.rs",
        find: "if length > MAX_FRAME_BYTES {",
        replace: "if length == usize::MAX {",
        test: FRAMES,
    },
    Mutation {
        name: "damage-taken-for-a-cut",
        file: "crates/auditchain/src/store/history.rs",
        find: "if frame.acknowledged >= unreadable {",
        replace: "if frame.acknowledged == u64::MAX {",
        test: DAMAGE,
    },
    Mutation {
        name: "acknowledged-before-the-quorum",
        file: "crates/auditchain/src/store/quorum.rs",
        find: "if have >= self.needed {",
        replace: "if have + 1 >= self.needed {",
        test: MODEL,
    },
    Mutation {
        name: "opened-with-too-few-zones",
        file: "crates/auditchain/src/store/opening.rs",
        find: "enough(readable, count, count - quorum + 1, &recovery)?;",
        replace: "enough(readable, count, 1, &recovery)?;",
        test: "-p strongroom-auditchain --test store -- --exact damage::one_good_zone_of_three_does_not_speak_for_a_quorum_of_two",
    },
    Mutation {
        name: "lagging-zone-not-made-equal",
        file: "crates/auditchain/src/store/equal.rs",
        find: "if has != Some(file) || !is_sure {",
        replace: "if has.is_some() && (has != Some(file) || !is_sure) {",
        test: MODEL,
    },
    Mutation {
        name: "frames-dropped-before-tiles-are-on-disk",
        file: "crates/auditchain/src/store/integrator.rs",
        find: "// Until this is on disk too the frames say what has to be done again.",
        replace: "let up_to = cut.base.1; self.everywhere(move |zone| drop_frames(zone, up_to))?;",
        test: MODEL,
    },
    Mutation {
        name: "lost-zone-still-read",
        file: "crates/auditchain/src/store/zones.rs",
        find: "let place = locked(&self.places).get_mut(number).and_then(Option::take);",
        replace: "let place = locked(&self.places).get_mut(number).and_then(|it| it.clone());",
        test: MODEL,
    },
    Mutation {
        name: "event-id-forgotten-once-integrated",
        file: "crates/auditchain/src/store/logs.rs",
        find: "if *event_id > self.state.integrated_last {",
        replace: "if !event_id.is_nil() {",
        test: "-p strongroom-auditchain --test store -- --exact basics::an_event_that_comes_again_is_there_once",
    },
    Mutation {
        name: "event-id-in-the-same-batch-forgotten",
        file: "crates/auditchain/src/store/logs.rs",
        find: "if let Some(index) = self.state.recent.get(event_id) {",
        replace: "if let Some(index) = self.state.recent.get(&Uuid::nil()) {",
        test: "-p strongroom-auditchain --test store -- --exact basics::an_event_that_comes_again_is_there_once",
    },
    Mutation {
        name: "set-back-log-signed",
        file: "crates/auditchain/src/store/guard.rs",
        find: "if signed > size {",
        replace: "if signed == u64::MAX {",
        test: "-p strongroom-auditchain --test store -- --exact basics::a_log_that_was_set_back_is_not_signed",
    },
    Mutation {
        name: "changed-log-signed",
        file: "crates/auditchain/src/store/guard.rs",
        find: "if found != root {",
        replace: "if found == Hash::EMPTY {",
        test: "-p strongroom-auditchain --test store -- --exact basics::another_history_of_the_same_length_is_not_signed",
    },
    Mutation {
        name: "batch-lines-not-kept",
        file: "crates/auditchain/src/store/keeper.rs",
        find: "while !lines.is_empty() {",
        replace: "while lines.len() == usize::MAX {",
        test: "-p strongroom-auditchain --test store -- --exact basics::a_log_that_was_set_back_is_not_signed",
    },
    Mutation {
        name: "erased-payload-left-in-full-bundles",
        file: "crates/auditchain/src/store/payloads.rs",
        find: "there.erase(bundle * WIDTH, entries, erasing);",
        replace: "there.erase(u64::MAX / 2, entries, erasing);",
        test: ERASED,
    },
    Mutation {
        name: "erased-payload-left-in-the-partial-bundle",
        file: "crates/auditchain/src/store/payloads.rs",
        find: "whole.erase(index / WIDTH * WIDTH, leaves.drain(..), erasing);",
        replace: "whole.erase(u64::MAX / 2, leaves.drain(..), erasing);",
        test: ERASED,
    },
    Mutation {
        name: "superseded-payloads-left",
        file: "crates/auditchain/src/store/payloads.rs",
        find: "superseded.push(self::path(folder, &path));",
        replace: "let _ = &superseded;",
        test: ERASED,
    },
    Mutation {
        name: "class-of-an-erasure-ignored",
        file: "crates/auditchain/src/store/payloads.rs",
        find: "let class = Leaf::decode(entry).map_or(RetentionClass::Compliance, |event| {",
        replace: "let class = Leaf::decode(entry).map_or(RetentionClass::Agent, |_| RetentionClass::Agent); let _ = Leaf::decode(entry).map_or(class, |event| {",
        test: ERASED,
    },
    Mutation {
        name: "erasure-taken-for-another-event",
        file: "crates/auditchain/src/store/integration.rs",
        find: "peek().map_or(true, |kind| kind == ERASED_KIND)",
        replace: "peek().map_or(true, |kind| kind.len() < ERASED_KIND.len())",
        test: ERASED,
    },
    Mutation {
        name: "event-ids-read-elsewhere",
        file: "crates/auditchain/src/store/ids.rs",
        find: "let id = entry.get(1..)?.strip_prefix(&BEFORE_ID)?.first_chunk()?;",
        replace: "let id = entry.get(1..)?.strip_prefix(&BEFORE_ID)?.get(1..)?.first_chunk()?;",
        test: "-p strongroom-auditchain --test store -- --exact basics::an_event_that_comes_again_is_there_once",
    },
    Mutation {
        name: "queue-without-bound",
        file: "crates/auditchain/src/store/inbox.rs",
        find: "|| state.bytes > 0 && state.bytes + bytes > self.limits.queue_bytes;",
        replace: "|| state.bytes == usize::MAX;",
        test: "-p strongroom-auditchain --test store -- --exact basics::too_much_at_once_is_told_to_come_back",
    },
    Mutation {
        name: "queue-of-any-number-of-entries",
        file: "crates/auditchain/src/store/inbox.rs",
        find: "let is_full = state.entries.len() >= self.limits.queue_entries",
        replace: "let is_full = state.entries.len() == usize::MAX",
        test: "-p strongroom-auditchain --lib -- --exact store::inbox::tests::as_many_wait_as_may",
    },
    Mutation {
        name: "command-before-the-entries-that-it-follows",
        file: "crates/auditchain/src/store/inbox.rs",
        find: "pop_front_if(|(after, _)| *after <= self.taken);",
        replace: "pop_front_if(|(after, _)| *after < u64::MAX);",
        test: "-p strongroom-auditchain --lib -- --exact store::inbox::tests::commands_and_entries_come_out_in_the_order_in_which_they_came",
    },
    Mutation {
        name: "entries-taken-past-a-command",
        file: "crates/auditchain/src/store/inbox.rs",
        find: "limits.batch_entries.min(before.unwrap_or(usize::MAX));",
        replace: "limits.batch_entries.max(before.unwrap_or(0));",
        test: "-p strongroom-auditchain --lib -- --exact store::inbox::tests::commands_and_entries_come_out_in_the_order_in_which_they_came",
    },
    Mutation {
        name: "left-in-the-inbox-for-ever",
        file: "crates/auditchain/src/store/inbox.rs",
        find: "        state.is_closed = true;",
        replace: "        state.is_closed = false;",
        test: "-p strongroom-auditchain --lib -- --exact store::inbox::tests::what_nobody_reads_any_more_is_answered_and_nothing_more_taken",
    },
    Mutation {
        name: "proof-of-an-older-entry-in-a-batch",
        file: "crates/auditchain/src/growth.rs",
        find: "if !(self.old..self.size).contains(&index) {",
        replace: "if index >= self.size {",
        test: "-p strongroom-auditchain --lib -- --exact growth::tests::only_the_entries_of_the_batch_are_proved",
    },
    Mutation {
        name: "batch-without-its-zones",
        file: "crates/auditchain/src/batch.rs",
        find: "let zones = decimal(lines.keyed(\"zones\")?)?;",
        replace: "let zones = lines.keyed(\"zones\").and_then(decimal).unwrap_or(1);",
        test: "-p strongroom-auditchain --test vectors -- --exact receipt",
    },
];
