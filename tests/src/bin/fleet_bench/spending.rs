//! Processor time and memory of the processes of a fleet and of its servers.

use panofleet_test_servers::{KafkaServer, PostgresServer};
use panofleet_tests::bench::cost::{cpu_seconds, resident_mib};
use panofleet_tests::fleet::Fleet;

/// Processor seconds so far, by process.
pub(crate) struct Spent(Vec<(String, f64)>);

impl Spent {
    pub(crate) fn so_far(fleet: &Fleet, kafka: &KafkaServer, postgres: &PostgresServer) -> Self {
        let of_role = |name: String| (name.clone(), cpu_seconds(fleet.pid(&name)));
        let mut spent: Vec<(String, f64)> = fleet.names().into_iter().map(of_role).collect();
        spent.push(("kafka".into(), cpu_seconds(kafka.pid())));
        spent.push(("postgresql".into(), cpu_seconds(postgres.pid())));
        Self(spent)
    }

    /// Shows what each process has spent since then on each of so many jobs.
    pub(crate) fn show(&self, after: &Self, jobs: u64) {
        #[expect(clippy::cast_precision_loss, reason = "some thousands of jobs")]
        let jobs = jobs as f64;
        let mut all = 0.0;
        for ((name, before), (_, after)) in self.0.iter().zip(&after.0) {
            let spent = (after - before) * 1e6 / jobs;
            all += spent;
            println!("  {name:<14}{spent:>8.1} µs of processor time a job");
        }
        println!("  {:<14}{all:>8.1} µs: at most {:.0} jobs/s on 2 cores", "all", 2e6 / all);
    }
}

/// Shows the resident memory of each role.
pub(crate) fn show_memory(fleet: &Fleet) {
    for name in fleet.names() {
        println!("  {name:<14}{:>8.1} MiB resident", resident_mib(fleet.pid(&name)));
    }
}
