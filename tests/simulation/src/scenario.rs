//! What a seed makes of a run: which trouble, and what is asked of the fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::operation::{FleetNoop, MediaProbe, Operation};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{JobSpec, OutputName, Region, Span, Timestamp};
use panofleet_test_promises as promises;

use crate::child::Nature;
use crate::random::Random;

/// The regions, each with a bucket of its own for sources and one for outputs.
pub(crate) const REGIONS: [&str; 2] = ["east", "west"];
/// Whose jobs they are.
pub(crate) const TENANTS: [&str; 3] = ["acme", "globe", "zoo"];
/// When the simulation begins, by every clock that is right.
const BEGIN_MS: i64 = 1_770_000_000_000;

/// What trouble a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Everything goes wrong, at any time.
    Chaos,
    /// Nothing goes wrong but that no collector runs for a while.
    CollectorsAway,
    /// Nothing goes wrong but that the database is away for a while.
    DatabaseAway,
    /// Nothing goes wrong but that the bus is away for a while.
    BusAway,
    /// Nothing goes wrong but that the workers of one region do not reach the bus for a while, longer than their leases and
    /// shorter than a region is waited for; and that meanwhile others come to lead.
    RegionCut,
}

impl Trouble {
    /// How long there is trouble.
    pub(crate) const fn length(self) -> Duration {
        match self {
            Self::Chaos => Duration::from_secs(150),
            Self::CollectorsAway | Self::DatabaseAway | Self::BusAway | Self::RegionCut => {
                Duration::from_secs(60)
            }
        }
    }

    /// Reasons that no job has for its changes while no worker comes to harm.
    pub(crate) const fn for_nothing(self) -> &'static [&'static str] {
        match self {
            Self::Chaos => &[],
            Self::CollectorsAway | Self::DatabaseAway => promises::AWAY,
            Self::BusAway => promises::BUS_AWAY,
            // What waited for the region may have gone on, and be claimed there all the same when it is back: then it is revived.
            Self::RegionCut => &["lease_lapsed", "attempt_timed_out"],
        }
    }

    /// The trouble of a seed: chaos three times in four.
    pub const fn of(seed: u64) -> Self {
        match seed % 16 {
            3 => Self::CollectorsAway,
            7 => Self::DatabaseAway,
            11 => Self::BusAway,
            15 => Self::RegionCut,
            _ => Self::Chaos,
        }
    }
}

/// The policy of every simulated fleet: the production one, some ten times faster.
pub(crate) fn policy() -> Policy {
    Policy {
        queue_timeout: Span::from_secs(8),
        lease: Span::from_secs(12),
        region_patience: Span::from_secs(30),
        heartbeat: Span::from_secs(3),
        image_timeout: Span::from_secs(10),
        video_timeout: Span::from_secs(10),
        timeout_grace: Span::from_secs(3),
        deadline: Span::from_secs(3600),
        max_attempts: 5,
        backoff_base: Span::from_millis(500),
        backoff_cap: Span::from_secs(5),
        place_timeout: Span::from_secs(2),
        seal_retry: Span::from_secs(1),
        family_look: Span::from_secs(6),
        hop_after: Span::from_secs(2),
    }
}

/// What a client does to a job, by the job's number.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Submit { tries: u32 },
    Cancel,
    Replay,
}

/// A job that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) tenant: usize,
    pub(crate) spec: JobSpec,
    /// The object that its source is, and what stands in it; none if it reads nothing.
    pub(crate) source: Option<(String, String)>,
}

/// Everything that is asked of the fleet: what at which time.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) wishes: Vec<Wish>,
    pub(crate) acts: Vec<(Duration, usize, Act)>,
}

impl Workload {
    /// What a run asks for.
    pub(crate) fn draw(random: &mut Random, trouble: Trouble) -> Self {
        let (mut wishes, mut acts) = (Vec::new(), Vec::new());
        let length_ms = u64::try_from(trouble.length().as_millis()).unwrap_or(u64::MAX);
        let (jobs, last_ms) = match trouble {
            Trouble::Chaos => (random.between(100, 180), length_ms * 3 / 4),
            // Some come while the region is cut off, and find no worker there.
            Trouble::RegionCut => (28, 30_000),
            _ => (14, 8000),
        };
        for number in 0..jobs {
            let wish = wish(random, trouble, number);
            let at = random.millis(0, last_ms);
            let index = wishes.len();
            acts.push((at, index, Act::Submit { tries: 0 }));
            if trouble == Trouble::Chaos && random.happens(2000) {
                acts.push((at + random.millis(500, 15_000), index, Act::Cancel));
            }
            if trouble == Trouble::Chaos && random.happens(2000) {
                acts.push((at + random.millis(10_000, length_ms / 2), index, Act::Replay));
            }
            wishes.push(wish);
        }
        acts.sort_by_key(|(at, index, _)| (*at, *index));
        Self { wishes, acts }
    }
}

fn wish(random: &mut Random, trouble: Trouble, number: u64) -> Wish {
    let region = random.one_of(&REGIONS);
    let nature = nature(random, trouble, number);
    let (bucket, key) = (format!("{region}-sources"), format!("source-{number}"));
    let is_keyed = random.happens(8000);
    let start_at = random.happens(1500).then(|| random.below(10_000));
    let start_at = start_at.and_then(|ms| i64::try_from(ms).ok());
    let deadline = match nature {
        _ if trouble != Trouble::Chaos => None,
        _ if random.happens(1500) => Some(Span::from_secs(random.between(10, 60))),
        _ => None,
    };
    let is_noop = random.happens(1000);
    let (source, name, operation) = if is_noop {
        let run_ms = u32::try_from(random.below(2000)).unwrap_or(0);
        (Source::Nothing, "nothing", Operation::FleetNoop(FleetNoop { run_ms }))
    } else {
        let source = Source::S3 { bucket: bucket.clone(), key: key.clone() };
        (source, "probe", Operation::MediaProbe(MediaProbe::default()))
    };
    let may_hop = match trouble {
        Trouble::Chaos => random.happens(3500),
        Trouble::RegionCut => random.happens(5000),
        _ => false,
    };
    let any_region = may_hop && random.happens(5000);
    let mut regions = Vec::new();
    if may_hop && !any_region {
        regions.extend(REGIONS.map(self::region));
        if random.happens(5000) {
            regions.reverse();
        }
    }
    let output = OutputName::new(name).expect("a lower-case name");
    let spec = JobSpec {
        source,
        outputs: BTreeMap::from([(output, operation)]),
        region: (is_noop && !may_hop).then(|| self::region(region)),
        // Without it, the policy's: as soon as nobody in the region has looked at its queue for a moment.
        hop_after: (may_hop && random.happens(3000)).then(|| Span::from_secs(10)),
        regions,
        any_region,
        priority: *random.one_of(&Priority::ALL),
        start_at: start_at.map(|ms| Timestamp::from_millis(BEGIN_MS + 10_000 + ms)),
        timeout: (nature == Nature::Long).then(|| Span::from_secs(120)),
        deadline,
        max_attempts: random
            .happens(2000)
            .then(|| u32::try_from(random.between(1, 3)).unwrap_or(1)),
        idempotency_key: is_keyed.then(|| format!("key-{number}")),
        labels: BTreeMap::new(),
        preset: None,
        source_sha256: None,
    };
    let tenant = usize::try_from(random.below(TENANTS.len() as u64)).unwrap_or(0);
    let object = (format!("/{bucket}/{key}"), nature.source());
    Wish { tenant, spec, source: (!is_noop).then_some(object) }
}

fn region(name: &str) -> Region {
    Region::new(name).expect("a lower-case name")
}

fn nature(random: &mut Random, trouble: Trouble, number: u64) -> Nature {
    if trouble != Trouble::Chaos {
        return if number.is_multiple_of(2) { Nature::Long } else { Nature::Good };
    }
    match random.below(100) {
        0..43 => Nature::Good,
        43..55 => Nature::Splitting,
        55..67 => Nature::Slow,
        67..77 => Nature::Flaky,
        77..82 => Nature::Poison,
        82..90 => Nature::Shaky,
        90..94 => Nature::Rejecting,
        94..97 => Nature::Stalling,
        _ => Nature::Endless,
    }
}
