//! The commit protocol: one result a generation, whatever gets lost on the way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use panofleet_job_schema::job::CloseTarget;
use panofleet_job_schema::manifest::{
    Manifest, ManifestAddress, ManifestObject, Seal, SourceRecord,
};
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::{
    Attempt, ClaimId, Generation, JobId, Region, Tenant, Timestamp, WorkerId,
};
use panofleet_objects::ObjectsError;
use panofleet_objects::client::PutOptions;
use panofleet_objects::manifest::{Published, SealOutcome, publish, put_seal, read, read_object};

use crate::faults::{Fault, Proxy};
use crate::servers::{BUCKET, Store};

crate::suite!(
    the_first_finisher_wins_and_the_others_learn_of_it,
    publishing_again_is_winning_again,
    lost_answers_are_settled_by_the_claim,
    a_lost_answer_may_hide_another_winner,
    conflicts_and_vanished_objects_are_tried_again,
    a_seal_stops_every_attempt,
    a_manifest_beats_the_seal,
    a_seal_survives_lost_answers,
    nothing_is_put_after_the_deadline,
    a_deadline_that_passes_meanwhile_is_settled_by_reading,
    what_is_no_manifest_is_reported,
    an_operators_mistake_is_not_retried,
);

const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);

fn address() -> ManifestAddress {
    let job = JobId(uuid::Uuid::new_v4());
    ManifestAddress::new(BUCKET, &Tenant::new("tenant").unwrap(), job, Generation(1))
}

fn manifest(attempt: u32) -> Manifest {
    Manifest {
        schema: 1,
        job: JobId(uuid::Uuid::nil()),
        generation: Generation(1),
        attempt: Attempt(attempt),
        claim: ClaimId(uuid::Uuid::new_v4()),
        worker: WorkerId::new("worker").unwrap(),
        region: Region::new("region").unwrap(),
        finished_at: NOW,
        source: SourceRecord {
            bytes: 1,
            sha256: "00".repeat(32),
            media: MediaInfo { container: "jpeg".to_owned(), bytes: 1, ..MediaInfo::default() },
        },
        outputs: BTreeMap::new(),
        steps: Vec::new(),
        warnings: Vec::new(),
    }
}

fn seal() -> Seal {
    Seal {
        schema: 1,
        job: JobId(uuid::Uuid::nil()),
        generation: Generation(1),
        target: CloseTarget::Cancelled,
        sealed_at: NOW,
    }
}

/// Publishes with an hour to go.
async fn publish_in_time(
    store: &Store,
    address: &ManifestAddress,
    manifest: &Manifest,
) -> Result<Published, ObjectsError> {
    publish(&store.objects, address, manifest, NOW + Duration::from_secs(3600), || NOW).await
}

async fn the_first_finisher_wins_and_the_others_learn_of_it(store: &Store) {
    for _ in 0..10 {
        let address = address();
        let manifests: Vec<_> = (1..=8).map(manifest).collect();
        let race = manifests.iter().map(|manifest| publish_in_time(store, &address, manifest));
        let outcomes: Vec<_> = join_all(race).await.into_iter().map(Result::unwrap).collect();
        let stands = read(&store.objects, &address).await.unwrap().unwrap();
        for (manifest, outcome) in manifests.iter().zip(outcomes) {
            let summary = stands.summary(&address);
            let won = manifest.claim == stands.claim;
            let expected = if won { Published::Won(summary) } else { Published::Other(summary) };
            assert_eq!(outcome, expected);
        }
    }
}

async fn publishing_again_is_winning_again(store: &Store) {
    let (address, ours) = (address(), manifest(3));
    for _ in 0..2 {
        let outcome = publish_in_time(store, &address, &ours).await.unwrap();
        assert_eq!(outcome, Published::Won(ours.summary(&address)));
    }
    let late = publish_in_time(store, &address, &manifest(4)).await.unwrap();
    assert_eq!(late, Published::Other(ours.summary(&address)));
    assert_eq!(read(&store.objects, &address).await.unwrap(), Some(ours));
}

async fn lost_answers_are_settled_by_the_claim(store: &Store) {
    for faults in [
        vec![Fault::DropAnswer],
        vec![Fault::DropRequest],
        vec![Fault::Answer(500, "InternalError"), Fault::DropAnswer, Fault::DropAnswer],
    ] {
        let (address, ours) = (address(), manifest(1));
        let script = faults.iter().map(|fault| (Method::PUT, *fault));
        let proxy = Proxy::before(store, script).await;
        let outcome = publish_in_time(&proxy.store(), &address, &ours).await.unwrap();
        assert_eq!(outcome, Published::Won(ours.summary(&address)), "{faults:?}");
        assert_eq!(read(&store.objects, &address).await.unwrap(), Some(ours));
    }
}

async fn a_lost_answer_may_hide_another_winner(store: &Store) {
    let (address, first, second) = (address(), manifest(1), manifest(2));
    publish_in_time(store, &address, &first).await.unwrap();
    // The 412 is lost, and then the answer to reading it.
    let faults = [(Method::PUT, Fault::DropAnswer), (Method::GET, Fault::CutAnswer(5))];
    let proxy = Proxy::before(store, faults).await;
    let outcome = publish_in_time(&proxy.store(), &address, &second).await.unwrap();
    assert_eq!(outcome, Published::Other(first.summary(&address)));
}

async fn conflicts_and_vanished_objects_are_tried_again(store: &Store) {
    let (address, ours) = (address(), manifest(1));
    let faults = [
        Fault::Answer(409, "ConditionalRequestConflict"),
        Fault::Answer(409, "ConditionalRequestConflict"),
        // Somebody's put is said to stand there, but reading finds nothing.
        Fault::Answer(412, "PreconditionFailed"),
    ];
    let proxy = Proxy::before(store, faults.map(|fault| (Method::PUT, fault))).await;
    let outcome = publish_in_time(&proxy.store(), &address, &ours).await.unwrap();
    assert_eq!(outcome, Published::Won(ours.summary(&address)));
    let [before @ .., Fault::Pass] = &proxy.seen(&Method::PUT)[..] else { panic!("the last put") };
    assert_eq!(before, faults);
}

async fn a_seal_stops_every_attempt(store: &Store) {
    let address = address();
    assert_eq!(read_object(&store.objects, &address).await.unwrap(), None);
    for _ in 0..2 {
        let outcome = put_seal(&store.objects, &address, &seal()).await.unwrap();
        assert_eq!(outcome, SealOutcome::Sealed);
    }
    assert_eq!(publish_in_time(store, &address, &manifest(1)).await.unwrap(), Published::Sealed);
    assert_eq!(read(&store.objects, &address).await.unwrap(), None, "a seal reads as absent");
    let stands = read_object(&store.objects, &address).await.unwrap();
    assert_eq!(stands, Some(ManifestObject::Seal(seal())));
}

async fn a_manifest_beats_the_seal(store: &Store) {
    let (address, ours) = (address(), manifest(1));
    publish_in_time(store, &address, &ours).await.unwrap();
    let outcome = put_seal(&store.objects, &address, &seal()).await.unwrap();
    assert_eq!(outcome, SealOutcome::ManifestFound(ours.summary(&address)));
    assert_eq!(read(&store.objects, &address).await.unwrap(), Some(ours));
}

async fn a_seal_survives_lost_answers(store: &Store) {
    let address = address();
    let faults = [Fault::DropAnswer, Fault::Answer(409, "ConditionalRequestConflict")];
    let proxy = Proxy::before(store, faults.map(|fault| (Method::PUT, fault))).await;
    let outcome = put_seal(&proxy.store().objects, &address, &seal()).await.unwrap();
    assert_eq!(outcome, SealOutcome::Sealed);

    let proxy =
        Proxy::before(store, [Fault::DropRequest; 9].map(|fault| (Method::PUT, fault))).await;
    let outcome = put_seal(&proxy.store().objects, &address, &seal()).await;
    assert!(matches!(outcome, Err(ObjectsError::Unavailable { .. })), "{outcome:?}");
    assert_eq!(proxy.seen(&Method::PUT).len(), 5, "bounded by attempts_max");
}

async fn nothing_is_put_after_the_deadline(store: &Store) {
    let (address, ours) = (address(), manifest(1));
    let proxy = Proxy::before(store, []).await;
    let through = proxy.store();
    let late = publish(&through.objects, &address, &ours, NOW, || NOW).await;
    assert!(matches!(late, Err(ObjectsError::DeadlinePassed { .. })), "{late:?}");

    // The clock passes the deadline while the puts fail.
    let proxy =
        Proxy::before(store, [Fault::DropRequest; 99].map(|fault| (Method::PUT, fault))).await;
    let clock = AtomicI64::new(NOW.as_millis());
    let now = || Timestamp::from_millis(clock.fetch_add(1000, Ordering::Relaxed));
    let deadline = NOW + Duration::from_secs(3);
    let late = publish(&proxy.store().objects, &address, &ours, deadline, now).await;
    assert!(matches!(late, Err(ObjectsError::DeadlinePassed { .. })), "{late:?}");
    assert_eq!(proxy.seen(&Method::PUT).len(), 3, "one before each second of the deadline");
    assert_eq!(read_object(&store.objects, &address).await.unwrap(), None);
}

async fn a_deadline_that_passes_meanwhile_is_settled_by_reading(store: &Store) {
    let (address, ours) = (address(), manifest(1));
    let proxy = Proxy::before(store, [(Method::PUT, Fault::DropAnswer)]).await;
    let clock = AtomicI64::new(NOW.as_millis());
    let now = || Timestamp::from_millis(clock.fetch_add(1000, Ordering::Relaxed));
    let deadline = NOW + Duration::from_secs(1);
    let outcome = publish(&proxy.store().objects, &address, &ours, deadline, now).await.unwrap();
    assert_eq!(outcome, Published::Won(ours.summary(&address)));
    assert_eq!(proxy.seen(&Method::PUT), [Fault::DropAnswer], "put once, then only read");
}

async fn what_is_no_manifest_is_reported(store: &Store) {
    let address = address();
    let options = PutOptions::of_type("text/plain");
    let key = address.manifest_key();
    store.objects.put_bytes(BUCKET, &key, "{}".into(), &options).await.unwrap();
    let found = read(&store.objects, &address).await;
    assert!(matches!(found, Err(ObjectsError::NotAManifest { .. })), "{found:?}");
    let outcome = publish_in_time(store, &address, &manifest(1)).await;
    assert!(matches!(outcome, Err(ObjectsError::NotAManifest { .. })), "{outcome:?}");
}

async fn an_operators_mistake_is_not_retried(store: &Store) {
    let proxy = Proxy::before(store, [(Method::PUT, Fault::Answer(403, "AccessDenied"))]).await;
    let outcome = publish_in_time(&proxy.store(), &address(), &manifest(1)).await;
    assert!(matches!(outcome, Err(ObjectsError::Refused { status: 403, .. })), "{outcome:?}");
    assert_eq!(proxy.seen(&Method::PUT).len(), 1);
}
