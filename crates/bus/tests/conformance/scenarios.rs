//! Every scenario. The simulated bus of `tests/simulation` runs the same.

/// Makes every scenario a test of one implementation, each on a bus of its own.
macro_rules! conformance {
    ($implementation:ident, $fixture:ty) => {
        mod $implementation {
            conformance! { @tests $fixture, crate::fixture::LONG_LOCK,
                queue {
                    an_idle_member_takes_what_a_busy_one_does_not
                    release_is_immediate
                    an_acknowledgement_is_final_also_after_a_crash
                    a_receipt_of_before_a_crash_settles_nothing
                    copy_fate_follows_a_message_through_its_life
                    ten_thousand_messages_are_neither_lost_nor_doubled
                    a_waiting_member_wakes_when_a_message_is_sent
                    a_member_gets_what_is_in_its_queue_and_nothing_else
                    receive_keeps_to_its_maximum_and_its_wait
                    payloads_are_kept_byte_for_byte_up_to_the_limit
                }
                events {
                    offsets_are_dense_and_each_publisher_keeps_its_order
                    a_reader_that_seeks_back_reads_the_same
                    bounds_are_the_start_and_the_next_offset
                    an_assigned_partition_is_silent_until_it_is_sought
                    a_waiting_reader_wakes_when_an_event_is_published
                    the_log_survives_a_crash
                    a_partition_that_is_not_there_is_refused
                    an_offset_outside_the_bounds_is_refused
                }
                readers {
                    two_readers_share_the_log_and_one_takes_over
                }
                control {
                    a_follower_sees_everything_that_was_published_before
                    the_last_record_of_a_job_stands
                    the_last_order_of_a_worker_stands
                    regions_do_not_see_each_other
                    a_waiting_follower_wakes_when_a_record_is_published
                    records_survive_a_crash
                }
                dead_letters {
                    letters_are_kept_byte_for_byte_newest_first
                    pages_of_letters_meet_and_payloads_are_cut
                    a_message_that_is_never_settled_becomes_a_dead_letter
                }
            }
            conformance! { @tests $fixture, crate::fixture::SHORT_LOCK,
                locks {
                    a_lapsed_lock_hands_the_message_to_another
                    a_late_settlement_settles_nothing
                    what_a_dropped_member_held_comes_back
                    nothing_is_handed_out_twice_while_it_is_locked
                }
            }
        }
    };
    (@tests $fixture:ty, $lock:expr, $($module:ident { $($scenario:ident)+ })+) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scenario() {
            let mut fixture = <$fixture>::start($lock).await;
            crate::$module::$scenario(&mut fixture).await;
        }
    )+)+};
}
