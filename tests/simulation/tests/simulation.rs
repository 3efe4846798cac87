//! The fleet keeps its promises in a simulated world, whatever goes wrong there; and a rule that is broken is noticed.

use std::collections::BTreeSet;
use std::path::Path;

use panofleet_test_simulation::Mutant;
use panofleet_test_simulation::seeds::{run_seed, run_seeds};

/// Faults that a run of all tests injects at least.
const FAULTS_MIN: u64 = 10_000;
/// Seeds that it takes: most are chaos, some one long outage.
const SEEDS: u64 = 36;
/// Seeds that a mutant is tried on, in this order: an outage of each kind, which takes a moment; chaos in which jobs hop and
/// split a lot; more outages, more chaos.
const MUTANT_SEEDS: [u64; 26] =
    [3, 11, 7, 31, 4, 2, 19, 27, 23, 15, 35, 43, 39, 47, 51, 59, 55, 63, 67, 75, 0, 1, 5, 6, 8, 9];

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_simulate"))
}

#[test]
fn promises_are_kept_under_ten_thousand_faults() {
    let soaked = run_seeds(program(), 0..SEEDS);
    assert!(soaked.failures.is_empty(), "{}", soaked.failures.join("\n\n"));
    assert_eq!(soaked.seeds, SEEDS);
    assert!(soaked.faults >= FAULTS_MIN, "only {} faults were injected", soaked.faults);
}

#[test]
fn a_seed_is_one_story() {
    for seed in [0, 3] {
        let digests: BTreeSet<String> =
            (0..3).map(|_| run_seed(program(), seed, &[]).digest).collect();
        assert_eq!(digests.len(), 1, "seed {seed}: {digests:?}");
        assert!(!digests.contains(""));
    }
    assert_ne!(run_seed(program(), 1, &[]).digest, run_seed(program(), 0, &[]).digest);
}

#[test]
fn every_broken_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for mutant in Mutant::NOTICED {
        let name = format!("{mutant:?}");
        let is_noticed = |seed: &u64| {
            let outcome = run_seed(program(), *seed, &["--mutant", &name]);
            assert!(
                outcome.is_kept || outcome.said.contains(&format!("seed {seed} breaks")),
                "{}",
                outcome.said
            );
            !outcome.is_kept
        };
        if !MUTANT_SEEDS.iter().any(is_noticed) {
            unnoticed.push(name);
        }
    }
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:?}");
}

/// Control saves work, and no promise hangs on it.
#[test]
fn nothing_hangs_on_control() {
    for seed in [3, 7, 0, 1, 2, 4] {
        let outcome = run_seed(program(), seed, &["--mutant", "ControlIsForgotten"]);
        assert!(outcome.is_kept, "{}", outcome.said);
    }
}
