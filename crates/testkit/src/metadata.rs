//! What every metadata store must do: one suite, run on each.
//!
//! [`metadata_store_suite!`](crate::metadata_store_suite) makes a test of each behaviour; [`model`] compares a store with maps
//! in memory over random operations; [`kept`] fills and reads databases of former versions. A store takes part by a [`MetadataBackend`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a suite fails by panicking")]

pub mod accounts;
pub mod audit;
pub mod blobs;
pub mod buckets;
pub mod durability;
pub mod file_listing;
pub mod files;
pub mod idempotency;
pub mod kept;
pub mod ledgers;
pub mod links;
pub mod listing;
pub mod model;
pub mod objects;
mod sample;
pub mod sweep;
pub mod uploads;
pub mod urls;

use crate::{FixedClock, SeededEntropy};
use std::fmt::Debug;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use valetkey_metadata::MetadataStore;
use valetkey_model::Clock;

/// A store that is being opened.
pub type Opening<'backend> = Pin<Box<dyn Future<Output = Arc<dyn MetadataStore>> + Send + 'backend>>;

/// A place where metadata is kept, empty at first: a directory, a database.
pub trait MetadataBackend: Send + Sync {
    /// Opens the store there. It is called again after the store it gave was dropped, and the new one finds what is there.
    fn open(&self, clock: Arc<dyn Clock>) -> Opening<'_>;
}

/// One run of one behaviour: the place, a clock, randomness, and rows made of them.
pub struct Trial {
    backend: Box<dyn MetadataBackend>,
    /// The clock that the store has; it stands still until it is moved.
    pub clock: FixedClock,
    entropy: SeededEntropy,
}

impl Trial {
    /// A run on an empty place.
    pub fn new(backend: impl MetadataBackend + 'static) -> Self {
        Self { backend: Box::new(backend), clock: FixedClock::default(), entropy: SeededEntropy::from_environment() }
    }

    /// The store as it is.
    pub async fn open(&self) -> Arc<dyn MetadataStore> {
        self.backend.open(Arc::new(self.clock.clone())).await
    }

    /// The store with the tenant `acme`, its API key `cid` and its bucket `reports`.
    pub async fn open_furnished(&self) -> Arc<dyn MetadataStore> {
        let store = self.open().await;
        store.create_tenant(self.tenant("acme")).await.unwrap();
        store.create_api_key(self.api_key("cid", "acme")).await.unwrap();
        store.create_bucket(self.bucket("reports", "acme")).await.unwrap();
        store
    }
}

/// The name or key that `text` is.
pub fn name<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Makes a test of every behaviour: `metadata_store_suite!(backend)`, where the expression `backend` makes an empty
/// [`MetadataBackend`](crate::metadata::MetadataBackend) each time. The crate must have `tokio` with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! metadata_store_suite {
    ($backend:expr) => {
        $crate::metadata_store_suite! { @areas $backend;
            accounts:
                tenants_are_listed_by_name
                a_tenant_is_made_once
                an_api_key_comes_back_whole
                an_api_key_needs_its_tenant
                a_credential_is_taken_once
                an_api_key_changes_as_it_is_told
                an_api_key_is_changed_by_its_tenant
                a_deleted_api_key_keeps_its_id
                the_last_administrator_stays
                of_two_administrators_one_stays
                another_secret_is_nobody_elses
                a_signing_key_comes_back_whole
                a_signing_key_id_is_taken_once
                a_signing_key_is_revoked_for_good;
            audit:
                an_act_is_recorded_with_its_row
                what_fails_is_not_recorded
                what_changes_nothing_is_not_recorded
                the_ledger_says_what_came_of_it
                tenants_have_chains_of_their_own
                many_writers_make_one_chain
                checkpoints_seal_what_has_grown
                a_chain_that_grows_fast_seals_itself
                rows_are_found_by_what_they_say
                an_erasure_leaves_the_chain
                old_segments_are_dropped
                a_chain_is_read_stretch_by_stretch
                audit_keys_come_back;
            buckets:
                a_bucket_comes_back_whole
                a_bucket_needs_its_tenant
                of_64_makers_of_a_bucket_one_wins
                buckets_come_in_pages
                buckets_come_by_region
                a_bucket_that_holds_an_object_stays
                a_deleted_bucket_takes_its_uploads_along
                a_bucket_that_is_not_there_is_not_deleted
                a_bucket_is_deleted_by_its_tenant
                a_bucket_is_made_public_by_its_tenant;
            objects:
                an_object_comes_back_whole
                an_overwrite_makes_a_generation
                a_deletion_ends_the_incarnation
                a_deletion_minds_the_incarnation
                an_ended_object_counts_as_absent
                create_refuses_what_is_there
                a_named_generation_must_be_current
                a_named_incarnation_must_be_there
                a_bucket_must_be_there
                a_revoked_link_publishes_nothing
                a_broadly_revoked_url_publishes_nothing
                a_disabled_issuer_publishes_nothing
                an_object_is_deleted_by_its_tenant
                a_narrowed_issuer_publishes_nothing
                a_bucket_takes_nothing_from_another_tenant
                a_publication_spends_a_use
                refusals_come_in_order
                a_refusal_changes_nothing
                of_many_creators_one_wins
                of_many_with_one_use_one_wins
                a_publication_told_twice_is_one
                a_blob_belongs_to_one_object
                a_doomed_blob_is_not_published
                digests_are_recorded_later;
            files:
                a_reservation_comes_back_whole
                a_reservation_needs_its_bucket
                a_file_id_and_a_place_are_taken_once
                a_number_that_is_taken_becomes_the_next
                an_object_is_found_by_its_ids
                a_publication_fills_the_reservation
                provisional_bytes_may_be_replaced
                the_reserved_mode_needs_a_reservation
                a_refusal_leaves_the_reservation
                a_confirmation_ends_the_reservation
                a_confirmation_needs_bytes
                a_deleted_file_leaves_only_a_doomed_blob
                a_deleted_object_takes_its_reservation_along
                a_deleted_bucket_takes_its_reservations_along
                a_reservation_ends_in_time
                of_many_publications_of_a_file_one_incarnation_is_made
                a_confirmation_races_publications;
            file_listing:
                files_come_in_the_order_in_which_they_began
                files_are_stepped_over
                a_page_begins_after_a_file_that_is_gone
                a_file_keeps_its_place
                ended_files_are_left_out
                another_buckets_files_are_not_seen
                ten_thousand_files_come_in_order
                a_detached_file_leaves_its_object
                a_new_incarnation_is_listed_again;
            listing:
                keys_sort_bytewise
                a_prefix_is_no_pattern
                a_prefix_may_end_in_the_last_character
                a_page_begins_after_any_text
                ended_objects_are_left_out
                provisional_objects_are_not_ready
                ten_thousand_objects_come_in_order;
            blobs:
                known_blobs_are_those_that_rows_name
                doomed_blobs_come_oldest_first
                forgotten_blobs_are_unknown;
            links:
                a_link_comes_back_whole
                links_are_recorded_all_or_none
                a_link_secret_is_taken_once
                a_link_belongs_to_its_tenant
                a_revocation_stays
                revocations_are_forgotten_in_time;
            idempotency:
                a_call_is_begun_once
                a_call_belongs_to_its_principal
                a_call_is_answered
                a_call_is_forgotten_in_time
                calls_are_counted_by_tenant
                of_many_callers_one_begins;
            urls:
                a_url_comes_back_whole
                urls_are_recorded_all_or_none
                urls_come_in_pages
                a_listing_is_of_one_tenant
                ten_thousand_urls_come_in_order
                uses_are_added_up
                a_url_shows_its_ledger
                the_latest_issue_is_known
                a_broad_revocation_only_widens
                revocations_come_in_pages;
            ledgers:
                a_grant_without_use_has_no_ledger
                a_reservation_is_recorded
                of_many_holders_one_gets_the_use
                a_completed_use_is_spent
                a_reservation_goes_on_window_by_window
                grants_do_not_share_a_ledger
                a_denial_may_change_the_ledger
                a_session_is_opened_first
                a_reset_makes_uses_available_again;
            uploads:
                an_upload_comes_back_whole
                an_upload_needs_its_bucket
                parts_come_by_number
                a_replaced_part_is_doomed
                a_part_needs_its_upload
                a_secret_finds_its_upload
                a_deleted_upload_leaves_only_doomed_blobs
                a_completed_upload_is_gone
                an_upload_completes_once
                an_upload_in_ranges_is_found_by_its_name
                ranges_are_kept_where_they_belong
                ranges_that_overlap_are_not_kept
                ranges_and_parts_do_not_mix
                an_upload_has_so_many_ranges_at_most
                a_url_has_so_many_uploads_at_most
                uploads_come_in_pages;
            sweep:
                a_sweep_takes_what_time_has_ended
                a_sweep_minds_its_limit
                uploads_end_by_themselves
                an_expired_link_is_kept_a_while
                a_ledger_is_kept_as_long_as_anyone_asked;
            durability:
                one_failure_among_a_hundred_writes_fails_alone
                everything_is_there_after_reopening
                the_time_floor_is_the_latest_write
                a_store_that_is_there_answers;
        }
    };
    (@areas $backend:expr; $($area:ident: $($behaviour:ident)+;)+) => {
        $(mod $area {
            #[allow(unused_imports, reason = "for the expression that makes the backend")]
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                $crate::metadata::$area::$behaviour($crate::metadata::Trial::new($backend)).await;
            })+
        })+
    };
}

#[cfg(test)]
mod tests {
    /// A behaviour that is not in the list would never run.
    #[test]
    fn every_behaviour_is_in_the_list() {
        let list = include_str!("metadata.rs");
        let areas = [
            include_str!("metadata/accounts.rs"),
            include_str!("metadata/audit.rs"),
            include_str!("metadata/blobs.rs"),
            include_str!("metadata/buckets.rs"),
            include_str!("metadata/durability.rs"),
            include_str!("metadata/file_listing.rs"),
            include_str!("metadata/files.rs"),
            include_str!("metadata/idempotency.rs"),
            include_str!("metadata/ledgers.rs"),
            include_str!("metadata/links.rs"),
            include_str!("metadata/listing.rs"),
            include_str!("metadata/objects.rs"),
            include_str!("metadata/sweep.rs"),
            include_str!("metadata/uploads.rs"),
            include_str!("metadata/urls.rs"),
        ];
        for line in areas.iter().flat_map(|area| area.lines()) {
            if let Some(rest) = line.strip_prefix("pub async fn ") {
                let behaviour = rest.split('(').next().unwrap();
                assert!(list.contains(&format!(" {behaviour}\n")) || list.contains(&format!(" {behaviour};")), "{behaviour}");
            }
        }
    }
}
