//! What dispatcher and collector say about a job, as a machine reads it, and the trace that joins it.

use std::collections::BTreeSet;
use std::sync::Arc;

use panofleet_job_schema::message::Report;
use panofleet_job_schema::trace::TraceContext;
use panofleet_job_schema::{Attempt, ErrorClass, Failure};
use panofleet_service::telemetry;
use serde_json::Value;

use crate::house::House;
use crate::is_running;

/// On one thread, so that everything that is said is said to this test's log.
#[tokio::test]
async fn every_line_about_a_job_carries_its_trace_over_retries_and_to_its_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(file.reopen().unwrap());
    let _log = telemetry::capture("warn,panofleet=debug", writer).unwrap();

    let house = House::open().await;
    let id = house.accept(1).await;
    let first = house.take().await;
    let claim = house.claim(&first).await;
    let failure = Failure::new(ErrorClass::Transient, "store_unavailable", "the store was away");
    house.report(&first, claim, Report::Failed { failure }).await;
    let second = house.take().await;
    let mut forged = second.clone();
    forged.message.id.attempt = Attempt(9);
    house.report(&forged, claim, Report::Claimed).await;
    house.claim(&second).await;
    house.until(id, "it runs again", is_running).await;
    house.stop_store().await;
    house.cancel(id).await;
    let lines = panofleet_tests::eventually("closing waits", crate::house::PATIENCE, async || {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines
            .iter()
            .any(|line| line["message"] == "closing waits for the object store")
            .then_some(lines)
    })
    .await;

    let accepted = TraceContext::parse(&house.job(id).await.trace.unwrap()).unwrap();
    let hops =
        [&first, &second].map(|taken| TraceContext::parse(taken.trace.as_ref().unwrap()).unwrap());
    let all = [accepted, hops[0], hops[1]];
    assert!(all.iter().all(|hop| hop.trace_id() == accepted.trace_id()), "{all:?}");
    assert_eq!(all.map(|hop| hop.to_string()).into_iter().collect::<BTreeSet<_>>().len(), 3);

    let about: Vec<_> = lines.iter().filter(|line| line["job"] == id.to_string()).collect();
    for line in &about {
        assert_eq!(line["trace_id"], accepted.trace_id(), "{line}");
    }
    let said = |what: &str| about.iter().filter(|line| line["message"] == what).count();
    // More on a machine so slow that a lease lapses.
    assert!(said("job sent") >= 2 && said("event applied") >= 3, "{about:#?}");
    assert_eq!(said("event goes to the dead letters"), 1, "{about:#?}");
    assert!(said("closing waits for the object store") > 0);
}
