//! A fleet of real processes, end to end. Every promise is held by every kind of fleet; what is particular to one has a
//! file of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod commands;
mod crash_table;
mod faults;
mod keys;
mod ledger;
mod many;
mod one_process;
mod operators;
mod over_servers;
mod promises;
mod site;
mod uploads;
mod webhooks;

/// Makes every promise a test of one kind of fleet.
macro_rules! promises {
    ($($module:ident: $kind:ident),+) => {$(
        mod $module {
            promises! { @of promises, $kind,
                fifty_jobs_survive_a_killed_runner_and_a_killed_service
                bad_input_gets_an_answer_and_harms_nobody
                a_cancelled_job_stops_and_leaves_a_seal
                a_frozen_service_goes_on_where_it_was
                one_trace_joins_what_every_process_says_of_a_job
            }
            promises! { @of operators, $kind,
                a_drained_worker_takes_nothing_until_it_is_told_to
            }
            promises! { @of webhooks, $kind,
                what_ended_is_told_over_the_death_of_everything
            }
        }
    )+};
    (@of $module:ident, $kind:ident, $($promise:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $promise() {
            crate::$module::$promise(panofleet_tests::fleet::Kind::$kind).await;
        }
    )+};
}

promises!(in_one_process: OneProcess, with_servers: OverServers);
