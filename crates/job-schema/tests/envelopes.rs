//! Every envelope that was ever written must stay readable by the version after it.
//!
//! `samples/` holds envelopes as they were on the wire, one folder a version. They are never rewritten: a
//! change of the schema that cannot read them needs a new version. To add samples of a new version, run this
//! test with `PANOFLEET_WRITE_SAMPLES=1`; it writes only what is missing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing, Unreadable, VERSION, VERSION_MIN};
use panofleet_job_schema::failure::{ErrorClass, Failure};
use panofleet_job_schema::family::{ChildSpec, Family, Join, OnChildFailure, child_id};
use panofleet_job_schema::job::{Acceptance, Job, State};
use panofleet_job_schema::manifest::ManifestSummary;
use panofleet_job_schema::message::{
    ClaimEvent, ControlRecord, Heartbeat, HeldClaim, Progress, Report, WorkerInfo,
};
use panofleet_job_schema::order::WorkerOrder;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::{
    Attempt, ClaimId, Generation, JobId, Lane, Region, Span, Tenant, Timestamp, WorkerId,
};
use proptest::prelude::*;
use uuid::Uuid;

fn ring() -> KeyRing {
    let keys = BTreeMap::from([
        ("hangzhou-1".to_owned(), vec![7; 32]),
        ("hangzhou-2".to_owned(), vec![9; 32]),
    ]);
    KeyRing::new("hangzhou-1", keys).unwrap()
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000 + seconds * 1000)
}

/// One envelope of each kind and report.
fn bodies() -> BTreeMap<&'static str, Body> {
    let spec = r#"{"source": "upload:01890a5d-ac96-774b-bcce-b302099a8057",
        "outputs": {"tiles": {"op": "pano.tiles", "quality": 80, "haov_deg": 240.0},
                    "small": {"op": "image.thumbnail", "format": "webp"},
                    "what": {"op": "media.probe"}},
        "labels": {"album": "42"}}"#;
    let acceptance = Acceptance {
        id: JobId(Uuid::from_u128(1)),
        tenant: Tenant::new("default").unwrap(),
        source: SourceLocation::https("https://example.com/a.jpg"),
        region: Region::new("hangzhou").unwrap(),
        bucket: "panofleet".into(),
        events_partition: 3,
        trace: None,
        now: time(0),
    };
    let job = Job::accept(serde_json::from_str(spec).unwrap(), acceptance, &Policy::default());
    let id = job.attempt_id(Attempt(2));
    let claim = ClaimId(Uuid::from_u128(5));
    let worker = WorkerId::new("worker-1").unwrap();
    let event = |report| {
        Body::Event(Box::new(ClaimEvent {
            id,
            claim,
            worker: worker.clone(),
            heartbeat_partition: 1,
            report,
        }))
    };
    let failure = Failure::new(ErrorClass::Crashed, "child_signal", "the child died of SIGSEGV")
        .with_detail("last words");
    let manifest: ManifestSummary = serde_json::from_value(serde_json::json!({
        "bucket": "panofleet", "key": "default/x/g1/manifest.json", "attempt": 2, "claim": claim,
        "outputs": 3, "files": 100, "total_bytes": 12345
    }))
    .unwrap();
    let progress = Progress {
        fraction: 0.5,
        step: "tiles".into(),
        uploaded_bytes: 9,
        curve: Curve::default(),
    };
    let held = HeldClaim { id, claim, progress: Some(progress) };
    let control = ControlRecord {
        job: id.job,
        generation: Generation(1),
        cancelled: true,
        closed: false,
        lowest_live: Attempt(2),
        let_go: None,
    };
    BTreeMap::from([
        ("job", Body::Job(Box::new(job.message(Attempt(2), &[])))),
        ("claimed", event(Report::Claimed)),
        ("probed", event(Report::Probed { timeout: Span::from_secs(3600) })),
        ("released", event(Report::Released { started: false, reason: "late".into() })),
        ("failed", event(Report::Failed { failure })),
        ("succeeded", event(Report::Succeeded { manifest: manifest.clone() })),
        ("join", joining(&job, claim, &manifest)),
        ("expanded", event(expanded(&job))),
        ("abandoned", event(Report::Abandoned)),
        ("dropped", event(Report::Dropped)),
        (
            "heartbeat",
            Body::Heartbeat(Heartbeat { worker: info(worker.clone()), claims: vec![held] }),
        ),
        ("control", Body::Control(control)),
        ("order", Body::Order(order(worker))),
    ])
}

fn info(worker: WorkerId) -> WorkerInfo {
    WorkerInfo {
        worker,
        region: Region::new("hangzhou").unwrap(),
        lanes: vec![Lane::Image],
        slots: 2,
        lane_slots: BTreeMap::new(),
        version: "0.1.0".into(),
        draining: false,
        order_revision: 0,
        started_at: time(0),
    }
}

fn order(worker: WorkerId) -> WorkerOrder {
    WorkerOrder { worker, revision: 3, draining: true, grace: Some(Span::from_secs(90)) }
}

const JOIN: Join = Join { on_failure: OnChildFailure::WaitForAll };

fn expanded(job: &Job) -> Report {
    let child = ChildSpec {
        part: Some("segments/1.mp4".into()),
        outputs: job.spec.outputs.clone(),
        timeout: Some(Span::from_secs(90)),
        max_attempts: Some(3),
    };
    Report::Expanded { children: vec![child], join: JOIN }
}

/// The message that joins two children, one of which has no result.
fn joining(job: &Job, claim: ClaimId, manifest: &ManifestSummary) -> Body {
    let (attempt, last_before) = (Attempt(2), Attempt(2));
    let family = Family { children: 2, join: JOIN, attempt, claim, last_before };
    let part = |index| Job { id: child_id(job.id, job.generation, index), ..job.clone() };
    let done = Job { state: State::Succeeded { manifest: manifest.clone() }, ..part(0) };
    let parts = [done, Job { state: State::Cancelled, ..part(1) }];
    let job = Job { family: Some(family), ..job.clone() };
    Body::Job(Box::new(job.message(Attempt(3), &parts)))
}

fn envelope(body: Body) -> Envelope {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Envelope { sent_at: time(1), trace: Some(trace.into()), body }
}

fn samples(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/samples/v{version}"))
}

#[test]
fn every_version_in_reach_is_read() {
    #[expect(clippy::disallowed_methods, reason = "a switch for developers, not for the program")]
    let write = std::env::var("PANOFLEET_WRITE_SAMPLES").is_ok();
    for version in VERSION_MIN..=VERSION {
        for (name, body) in bodies() {
            let path = samples(version).join(format!("{name}.envelope"));
            if write && version == VERSION && !path.exists() {
                std::fs::create_dir_all(samples(version)).unwrap();
                std::fs::write(&path, envelope(body.clone()).seal(&ring()).unwrap()).unwrap();
            }
            let wire = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let read = Envelope::open(&wire, &ring()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(read, envelope(body), "version {version} {name}");
        }
    }
}

#[test]
fn what_nobody_can_trust_is_refused_with_the_reason() {
    let body = bodies().remove("control").unwrap();
    let wire = envelope(body).seal(&ring()).unwrap();
    let open = |wire: &[u8]| Envelope::open(wire, &ring()).unwrap_err();
    let replaced = |from: &str, to: &str| {
        String::from_utf8(wire.clone()).unwrap().replacen(from, to, 1).into_bytes()
    };
    assert_eq!(open(b"garbage"), Unreadable::NotAnEnvelope);
    assert_eq!(open(b""), Unreadable::NotAnEnvelope);
    assert_eq!(open(&replaced("pf1 ", "pf7 ")), Unreadable::UnknownVersion(7));
    assert_eq!(open(b"pf99 k some-later-way-to-sign\n{}"), Unreadable::UnknownVersion(99));
    assert_eq!(open(&replaced("hangzhou-1", "boston")), Unreadable::UnknownKey("boston".into()));
    // A key of the ring, but not the one that signed.
    assert_eq!(open(&replaced("hangzhou-1", "hangzhou-2")), Unreadable::BadSignature);
    assert_eq!(
        open(&replaced("\"cancelled\":true", "\"cancelled\":null")),
        Unreadable::BadSignature
    );
    assert_eq!(open(&vec![b'x'; 1024 * 1024]), Unreadable::TooLong(1024 * 1024));
}

#[test]
fn keys_rotate_with_overlap_and_fields_may_be_added() {
    let only = |signing: &str| {
        let keys =
            BTreeMap::from([("old".to_owned(), vec![1; 32]), ("new".to_owned(), vec![2; 32])]);
        KeyRing::new(signing, keys).unwrap()
    };
    let sent = envelope(bodies().remove("claimed").unwrap());
    let before = sent.seal(&only("old")).unwrap();
    assert_eq!(Envelope::open(&before, &only("new")).unwrap(), sent);

    // A later writer of the same version adds a field: this reader passes over it.
    let mut value = serde_json::to_value(&sent).unwrap();
    value["body"]["mood"] = "fine".into();
    assert_eq!(serde_json::from_value::<Envelope>(value).unwrap(), sent);
}

proptest! {
    /// No byte can be changed without notice.
    #[test]
    fn any_changed_byte_is_noticed(at in 0usize..400, bit in 0u8..8) {
        let mut wire = envelope(bodies().remove("control").unwrap()).seal(&ring()).unwrap();
        let at = at % wire.len();
        wire[at] ^= 1 << bit;
        // Case alone does not change a hexadecimal digit; nothing else passes.
        let digit = at < wire.iter().position(|b| *b == b'\n').unwrap_or(0) && bit == 5;
        prop_assert!(digit || Envelope::open(&wire, &ring()).is_err());
    }
}
