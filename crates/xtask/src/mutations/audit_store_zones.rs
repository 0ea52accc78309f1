//! Sabotages of what the embedded audit store does when zones disagree, hang or were away.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "head-believed-without-its-tiles",
        file: "crates/auditchain/src/store/guard.rs",
        find: "if frontier.map_err(|it: TileError<io::Error>| unknown(&it))? != head.frontier {",
        replace: "if frontier.map_err(|it: TileError<io::Error>| unknown(&it))?.size() != size {",
        test: "-p strongroom-auditchain --test store -- --exact agreement::a_head_that_is_not_its_tiles_is_neither_grown_nor_signed",
    },
    Mutation {
        name: "carried-entries-unchecked",
        file: "crates/auditchain/src/store/integration.rs",
        find: "if found == hashes {",
        replace: "if found.len() == hashes.len() {",
        test: "-p strongroom-auditchain --test store -- --exact agreement::a_zone_with_a_damaged_entry_is_lost_and_its_damage_stays_where_it_is",
    },
    Mutation {
        name: "zone-of-another-mind-kept",
        file: "crates/auditchain/src/store/zones.rs",
        find: "Ok(_) if enough => self.lose(number, &\"it has another head of a log\"),",
        replace: "Ok(_) if enough => {}",
        test: "-p strongroom-auditchain --test store -- --exact agreement::a_zone_without_a_log_that_others_have_is_lost",
    },
    Mutation {
        name: "one-of-two-believed",
        file: "crates/auditchain/src/store/zones.rs",
        find: "let enough = answers.len() - others.len() >= self.needed;",
        replace: "let enough = answers.len() > others.len();",
        test: "-p strongroom-auditchain --test store -- --exact agreement::two_zones_of_two_that_differ_are_both_kept",
    },
    Mutation {
        name: "another-event-taken-for-a-retry",
        file: "crates/auditchain/src/store/committer.rs",
        find: "Ok(false) => answer.give(Err(AppendError::Conflict { index })),",
        replace: "Ok(false) => hand.known(&origin, size, index, answer),",
        test: "-p strongroom-auditchain --test store -- --exact agreement::another_event_under_a_known_id_is_a_conflict",
    },
    Mutation {
        name: "uncovered-batch-dropped",
        file: "crates/auditchain/src/store/checkpoint_store.rs",
        find: "lines.retain(|origin, line| line.batch <= up_to && covers(origin, line.size));",
        replace: "lines.retain(|origin, line| line.batch <= up_to && (covers(origin, line.size) || line.size > 0));",
        test: "-p strongroom-auditchain --test store -- --exact memory::a_log_that_was_set_back_is_remembered_while_others_are_signed",
    },
    Mutation {
        name: "covered-batches-kept",
        file: "crates/auditchain/src/store/checkpoint_store.rs",
        find: "before.is_some_and(|before| before.size == line.size)",
        replace: "before.is_some_and(|before| before.size > line.size)",
        test: "-p strongroom-auditchain --test store -- --exact memory::batches_that_checkpoints_cover_are_dropped_and_numbers_ascend",
    },
    Mutation {
        name: "hanging-frame-waited-for",
        file: "crates/auditchain/src/store/quorum.rs",
        find: "Err(RecvTimeoutError::Timeout) => self.lose_the_late(),",
        replace: "Err(RecvTimeoutError::Timeout) => std::thread::sleep(self.patience * 10),",
        test: "-p strongroom-auditchain --test store -- --exact pauses::two_zones_that_hang_are_an_error_and_closing_does_not_wait_for_them",
    },
    Mutation {
        name: "hanging-flush-waited-for",
        file: "crates/auditchain/src/store/zones.rs",
        find: "let hangs = calls == *before;",
        replace: "let hangs = calls < *before;",
        test: "-p strongroom-auditchain --test store -- --exact pauses::a_zone_that_hangs_is_given_up_and_the_others_go_on",
    },
    Mutation {
        name: "integration-behind-without-bound",
        file: "crates/auditchain/src/store.rs",
        find: "|| behind >= self.limits.behind_bytes;",
        replace: "|| behind == usize::MAX;",
        test: "-p strongroom-auditchain --test store -- --exact pauses::what_integration_is_behind_with_is_bounded_and_in_files_that_can_be_read",
    },
    Mutation {
        name: "file-of-frames-without-end",
        file: "crates/auditchain/src/store/committer.rs",
        find: "if self.file_bytes >= FILE_BYTES {",
        replace: "if self.file_bytes == usize::MAX {",
        test: "-p strongroom-auditchain --test store -- --exact pauses::what_integration_is_behind_with_is_bounded_and_in_files_that_can_be_read",
    },
    Mutation {
        name: "needed-zone-marked-while-it-is-filled",
        file: "crates/auditchain/src/store/equal.rs",
        find: "Some(theirs) if was_there(&theirs) => {",
        replace: "Some(theirs) if was_there(&theirs) && theirs.base.epoch == u64::MAX => {",
        test: "-p strongroom-auditchain --test store -- --exact restarts::a_zone_that_is_made_equal_is_whole_at_each_step",
    },
    Mutation {
        name: "unflushed-frames-believed",
        file: "crates/auditchain/src/store/equal.rs",
        find: "let is_sure = history.is_closed && theirs.is_some_and(|theirs| theirs.is_closed);",
        replace: "let is_sure = theirs.is_some();",
        test: "-p strongroom-auditchain --test store -- --exact restarts::what_a_failed_flush_left_in_memory_is_written_anew_before_anything_follows_it",
    },
    Mutation {
        name: "limits-unchecked",
        file: "crates/auditchain/src/store.rs",
        find: "(\"batch_bytes\", (1..=8 << 20).contains(&self.batch_bytes)),",
        replace: "(\"batch_bytes\", self.batch_bytes > 0),",
        test: "-p strongroom-auditchain --test store -- --exact pauses::limits_outside_what_they_may_be_are_refused_by_name",
    },
];
