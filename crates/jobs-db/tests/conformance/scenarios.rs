//! Every scenario about jobs. The simulated database of `tests/simulation` runs the same.

/// Makes every scenario a test of one implementation, each on a database of its own.
macro_rules! conformance {
    ($implementation:ident, $fixture:ty, $($module:ident { $($scenario:ident)+ })+) => {
        mod $implementation {$($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let mut fixture = <$fixture>::start().await;
                crate::$module::$scenario(&mut fixture).await;
            }
        )+)+}
    };
    ($implementation:ident, $fixture:ty) => {
        conformance! { $implementation, $fixture,
            accept {
                a_job_comes_back_as_it_was_accepted
                a_key_is_one_job_in_the_same_words_only
                sixteen_accepts_with_one_key_make_one_job
                many_jobs_are_accepted_together_or_none_of_them
                an_id_is_accepted_once
                jobs_that_do_not_exist_are_left_out
                an_upload_comes_back_as_it_was_put
            }
            commit {
                of_two_writers_one_wins_and_the_other_wrote_nothing
                racing_writers_never_lose_an_update
                of_writes_that_stand_alone_one_that_lost_holds_up_no_other
                offsets_move_by_compare_and_set
                a_batch_is_all_or_nothing
                a_job_that_has_not_ended_needs_a_timer
                history_keeps_its_order_over_batches
                everything_survives_a_crash
            }
            lines {
                heads_are_the_first_of_each_line
                heads_go_on_behind_a_tenant_in_every_band
                lines_go_by_deadline_then_age
                what_is_not_queued_is_in_no_line
                what_is_sent_or_runs_is_in_flight
            }
            queues {
                sent_counts_what_no_claim_holds
                due_comes_longest_due_first
                an_accepted_job_has_a_timer
                an_outlook_is_how_things_stand
                an_outlook_tells_of_timers_as_far_as_it_is_asked_to
                the_backlog_is_what_has_not_ended
            }
            list {
                filters_are_joined_and_newest_comes_first
                pages_meet_without_gap_or_overlap
                counts_are_by_state_and_tenant
                labels_are_plain_data
            }
            families {
                children_come_with_their_parent_s_write_or_not_at_all
                a_child_that_ends_wakes_its_parent_and_refuses_older_counts
                of_two_children_that_end_at_once_the_last_is_counted
                children_are_listed_where_they_are_asked_for
                nobody_s_children_are_found
            }
            workers {
                a_heartbeat_replaces_the_one_before
                a_heartbeat_of_an_earlier_life_is_ignored
                of_two_lives_in_one_batch_the_later_counts
                beats_are_of_listed_claims_only
                progress_is_of_running_jobs_only
                the_line_that_ends_an_attempt_says_how_far_it_was
            }
            partitions {
                observations_restart_leases_after_a_gap_only
                observed_times_never_move_back
                observations_in_one_call_count_in_their_order
                logs_do_not_see_each_other
            }
            pauses {
                a_pause_lasts_until_it_is_ended
                a_pause_and_its_end_are_news
            }
            changes {
                a_write_ends_the_wait_and_silence_times_out
                the_clock_never_goes_back
            }
            leads {
                one_leads_until_it_gives_the_lead_up
                the_lead_ends_with_its_process
            }
        }
    };
}
