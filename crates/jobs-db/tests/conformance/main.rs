//! One suite for every job database. A scenario is a function of a [`fixture::Fixture`], and each
//! implementation is one `conformance!` below: it runs them all. `scenarios.rs` lists those about jobs.
//!
//! Scenarios assert what [`panofleet_jobs_db`] promises and no more; what is particular to SQLite's file or to a
//! PostgreSQL server is in `sqlite.rs` and `postgres.rs`. Both are killed in `killed.rs`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[macro_use]
mod scenarios;

mod accept;
mod audit;
mod bulks;
mod changes;
mod commit;
mod deletions;
mod failures;
mod families;
mod filters;
mod fixture;
mod keys;
mod killed;
mod leads;
mod lines;
mod list;
mod orders;
mod partitions;
mod pauses;
mod postgres;
mod questions;
mod queues;
mod replays;
mod retention;
mod schedules;
mod setbacks;
mod sqlite;
mod traffic;
mod views;
mod webhooks;
mod workers;

/// Makes a test of each scenario about what stands beside jobs.
macro_rules! beside_jobs {
    ($implementation:ident, $fixture:ty) => {
        conformance! { $implementation, $fixture,
            orders {
                the_last_order_stands_and_revisions_grow
                racing_orders_have_revisions_of_their_own
                an_order_is_news
            }
            replays {
                a_letter_goes_back_once
                one_that_could_not_go_back_is_tried_anew
            }
            retention {
                an_untidy_end_is_swept_once_it_is_quiet
                sweeps_come_longest_due_first_and_go_with_their_job
                ended_jobs_come_in_the_order_of_their_acceptance
                a_job_is_removed_as_it_was_seen_or_not_at_all
                a_key_outlives_its_job
                uploads_go_when_nobody_can_need_them
                children_are_not_due_to_go_before_their_parent
            }
            deletions {
                deletions_are_kept_found_and_looked_after
                an_upload_goes_with_the_last_job_that_names_it
                uploads_of_a_tenant_come_in_pages
            }
            failures {
                failed_jobs_are_grouped_by_what_their_failures_share
                failed_jobs_are_found_and_counted
            }
            questions {
                what_says_nothing_new_is_stuck
                retries_are_counted_by_when_they_are_due
                deadlines_come_the_next_first
                each_tenant_s_oldest_queued_job_is_found
            }
            traffic {
                traffic_is_what_came_and_went_by_queue
                a_course_counts_by_step
                ages_of_a_queue_are_those_of_its_jobs
                the_busiest_tenants_are_those_with_most_queued
            }
            views {
                a_view_is_kept_by_its_name
            }
            setbacks {
                setbacks_are_grouped_by_what_they_share
                refused_results_are_told_apart_from_setbacks
                a_trend_counts_setbacks_by_fingerprint_and_hour
                a_refused_write_leaves_no_setback
                a_code_may_be_any_text
                old_setbacks_are_forgotten_a_few_at_a_time
                a_version_is_of_the_life_that_held_the_job
            }
            filters {
                jobs_are_found_by_operation_worker_and_attempt
                jobs_are_found_by_when_they_were_accepted
            }
            bulks {
                bulk_actions_are_changed_as_they_were_seen
            }
            keys {
                keys_are_kept_listed_and_changed_as_they_were_seen
                a_key_and_its_successor_change_together
                the_latest_use_of_a_key_stands
                a_session_lasts_until_it_is_ended_or_over
                a_session_says_who_the_person_is_and_what_they_may
            }
            audit {
                entries_are_found_by_what_they_say
                an_entry_says_in_the_end_what_came_of_it
                old_entries_are_forgotten_a_few_at_a_time
            }
            webhooks {
                webhooks_are_changed_as_they_were_seen
                an_end_is_told_with_its_write_or_not_at_all
                children_end_as_parts_of_their_parents
                a_delivery_is_tried_until_it_is_over
                what_happened_to_a_job_is_told_in_its_order
                each_webhook_has_its_share_of_what_is_due
            }
            schedules {
                schedules_are_changed_as_they_were_seen
                due_schedules_come_longest_due_first
            }
        }
    };
}

conformance!(sqlite_db, crate::sqlite::SqliteFixture);
conformance!(postgres_db, crate::postgres::PostgresFixture);
beside_jobs!(sqlite_beside_jobs, crate::sqlite::SqliteFixture);
beside_jobs!(postgres_beside_jobs, crate::postgres::PostgresFixture);
