//! Every route, with the scope that it needs and the name of what it changes, in one table.
//!
//! A route is made with its need and cannot be made without one.

use panofleet_job_schema::JobSpec;
use panofleet_jobs_db::{Deletion, Scope};

use super::auth::Need;
use super::{
    JobView, act, audit, bulk, changes, dead_letters, deletions, drains, estimates, events,
    failures, feed, fleet, health, jobs, keys, openapi, outputs, overview, pauses, questions,
    scale, schedules, schema, submit, uploads, views, wait, webhooks,
};
use crate::pages;

mod table;

pub use table::Row;
pub(crate) use table::{Kind, Routes, Table, Told};

/// To see what a tenant has.
pub(crate) const READ: Need = Need::OneOf(&[Scope::JobsRead]);
/// To change it.
const WRITE: Need = Need::OneOf(&[Scope::JobsWrite]);
/// To run the fleet.
pub(crate) const OPS: Need = Need::OneOf(&[Scope::Ops]);
/// To ask how many workers there should be.
const SCALE: Need = Need::OneOf(&[Scope::Scale]);
/// To say who may do what.
const ADMIN: Need = Need::OneOf(&[Scope::Admin]);
/// To see who has done what.
pub(crate) const AUDIT: Need = Need::OneOf(&[Scope::Ops, Scope::Admin]);

/// Every route of the API and the pages, with what it needs.
pub fn table() -> Vec<Row> {
    let Table(mut rows) = prompt().table;
    rows.extend(patient().table.0);
    rows
}

/// Routes that answer at once.
pub(crate) fn prompt() -> Routes {
    jobs_routes()
        .merge(fleet_routes())
        .merge(key_routes())
        .merge(webhook_routes())
        .merge(open_routes())
        .merge(pages::routes())
}

/// Routes that wait for something to happen.
pub(crate) fn patient() -> Routes {
    Routes::default()
        .get("/v1/jobs/{id}/wait", READ, (wait::wait, "One job, once it has changed"))
        .get("/v1/jobs/{id}/events", READ, (events::events, "News of a job until it has ended"))
        .get(
            "/v1/changes",
            READ,
            (changes::changes, "A sign whenever anything changes, once a second at most"),
        )
        .get("/v1/events", READ, (feed::feed, "News of all jobs that match, as they come"))
        // The store may have to copy the parts together.
        .post(
            "/v1/uploads/{id}/complete",
            WRITE,
            (uploads::parts::complete, "Makes one file of the parts of an upload"),
        )
}

fn jobs_routes() -> Routes {
    Routes::default()
        .get("/v1/jobs", READ, (jobs::list, "Jobs that match, newest first"))
        .post(
            "/v1/jobs",
            WRITE,
            (submit::submit, "Submits a job, or with `application/x-ndjson` many, one a line"),
        )
        .takes::<JobSpec>()
        .answers::<JobView>("2XX")
        .get("/v1/jobs/{id}", READ, (jobs::get, "One job"))
        .get("/v1/jobs/{id}/history", READ, (jobs::history, "What happened to a job"))
        .get(
            "/v1/jobs/{id}/manifest",
            READ,
            (
                outputs::manifest,
                "A job's result: its files, what they were made from, how long each step took",
            ),
        )
        .get("/o/{job}/{output}/{*path}", READ, (outputs::file, "A file of an output"))
        .answers_bytes("*/*")
        .post(
            "/v1/jobs/{id}/cancel",
            WRITE,
            (act::cancel, "Cancels a job: 200 if it is over, 202 if a worker may still have it"),
        )
        .audited("job.cancel")
        .post(
            "/v1/jobs/{id}/retry",
            WRITE,
            (act::retry, "Starts a job that has ended anew, or has one that waits for its time go at once"),
        )
        .audited("job.retry")
        .post(
            "/v1/jobs/{id}/release",
            WRITE,
            (act::release, "Asks whoever holds a job to let it go, so that it goes again: 202"),
        )
        .audited("job.release")
        .patch("/v1/jobs/{id}", WRITE, (act::change, "Has a job wait in another band of the queue"))
        .audited("job.reprioritise")
        .delete(
            "/v1/jobs/{id}",
            WRITE,
            (
                deletions::delete,
                "Deletes a job with its outputs, its uploaded source and all that is known of it",
            ),
        )
        .answers::<Deletion>("2XX")
        .audited("job.delete")
        .get("/v1/deletions", READ, (deletions::list, "What was deleted by request, or will be"))
        .get("/v1/deletions/{id}", READ, (deletions::show, "What is gone of a job, since when"))
        .post(
            "/v1/estimates",
            READ,
            (estimates::estimate, "What a job is likely to take and to make, before it is submitted"),
        )
        .get("/v1/presets", READ, (schema::presets, "Named sets of outputs"))
        .get("/v1/counts", READ, (fleet::counts, "How many jobs are in each state"))
        .get("/v1/failures", READ, (failures::list, "What failed, by why"))
        .get("/v1/overview", READ, (overview::overview, "What comes and goes, and how long it waits"))
        .get("/v1/views", READ, (views::list, "Saved filters by name"))
        .put("/v1/views/{name}", WRITE, (views::save, "Saves a filter under a name"))
        .audited("view.save")
        .delete("/v1/views/{name}", WRITE, (views::remove, "Removes a saved filter"))
        .audited("view.remove")
        .get("/v1/questions", READ, (questions::list, "What can be asked about retries"))
        .get("/v1/questions/{name}", READ, (questions::ask, "The answer to a question"))
        .get("/v1/bulk", READ, (bulk::list, "The newest bulk actions"))
        .post(
            "/v1/bulk",
            WRITE,
            (bulk::begin, "Retries, cancels, reprioritises or deletes all jobs that match; a dry run counts them"),
        )
        .audited("bulk.begin")
        .get("/v1/bulk/{id}", READ, (bulk::get, "One bulk action"))
        .post(
            "/v1/bulk/{id}/stop",
            WRITE,
            (bulk::stop, "Stops a bulk action; what was done stays done"),
        )
        .audited("bulk.stop")
        .merge(upload_routes())
        .get("/v1/schedules", READ, (schedules::list, "Schedules by name"))
        .put("/v1/schedules/{name}", WRITE, (schedules::add, "Makes a schedule"))
        .audited("schedule.add")
        .delete(
            "/v1/schedules/{name}",
            WRITE,
            (schedules::remove, "Removes a schedule; its jobs stay"),
        )
        .audited("schedule.remove")
        .post("/v1/schedules/{name}/pause", WRITE, (schedules::pause, "Stops a schedule's ticks"))
        .audited("schedule.pause")
        .post(
            "/v1/schedules/{name}/resume",
            WRITE,
            (schedules::resume, "Lets a schedule tick again"),
        )
        .audited("schedule.resume")
}

fn upload_routes() -> Routes {
    Routes::default()
        .post(
            "/v1/uploads",
            WRITE,
            (uploads::begin, "Begins an upload: says where to put a source"),
        )
        .get("/v1/uploads/{id}", READ, (uploads::parts::show, "Where an upload stands"))
        .post(
            "/v1/uploads/{id}/parts",
            WRITE,
            (uploads::parts::addresses, "Where to put parts of an upload"),
        )
        .delete("/v1/uploads/{id}", WRITE, (uploads::remove, "Removes an upload that no job named"))
        .audited("upload.remove")
}

fn fleet_routes() -> Routes {
    Routes::default()
        .get("/v1/workers", OPS, (fleet::workers, "Every worker, and what it holds"))
        .get("/v1/scale", SCALE, (scale::all, "How many workers each queue has and should have"))
        .get(
            "/v1/scale/{region}/{lane}",
            SCALE,
            (scale::one, "How many workers a queue has and should have"),
        )
        .put("/v1/workers/{worker}/drain", OPS, (drains::drain, "Has a worker take no more jobs"))
        .audited("worker.drain")
        .delete(
            "/v1/workers/{worker}/drain",
            OPS,
            (drains::undrain, "Has a worker take jobs again"),
        )
        .audited("worker.undrain")
        .get("/v1/dead-letters", OPS, (dead_letters::list, "Records that nobody could use"))
        .get("/v1/dead-letters/{id}", OPS, (dead_letters::show, "One of them"))
        .post(
            "/v1/dead-letters/{id}/replay",
            OPS,
            (dead_letters::replay, "Puts one back where it came from"),
        )
        .audited("dead_letter.replay")
        .get("/v1/pauses", OPS, (pauses::list, "What gets no jobs"))
        .put(
            "/v1/pauses/{kind}/{name}",
            OPS,
            (pauses::pause, "Sends no more jobs to a region, a lane or for a tenant"),
        )
        .audited("pause.begin")
        .delete("/v1/pauses/{kind}/{name}", OPS, (pauses::resume, "Sends jobs again"))
        .audited("pause.end")
        .get("/metrics", OPS, (health::metrics, "This process's metrics, as Prometheus reads them"))
}

fn key_routes() -> Routes {
    Routes::default()
        .get("/v1/whoami", Need::AnyKey, (keys::whoami, "Who asks, and what they may do"))
        .get("/v1/keys", ADMIN, (keys::list, "API keys, newest first"))
        .post(
            "/v1/keys",
            ADMIN,
            (keys::create, "Makes an API key; its secret is in the answer, this once"),
        )
        .audited("key.create")
        .get("/v1/keys/{id}", ADMIN, (keys::show, "One API key"))
        .delete("/v1/keys/{id}", ADMIN, (keys::revoke, "Makes a key useless"))
        .audited("key.revoke")
        .post(
            "/v1/keys/{id}/rotate",
            ADMIN,
            (keys::rotate, "Makes a key that takes the place of another"),
        )
        .audited("key.rotate")
        .delete(
            "/v1/tenants/{tenant}",
            ADMIN,
            (deletions::delete_tenant, "Deletes all that there is of a tenant but the audit log"),
        )
        .audited("tenant.delete")
        .get("/v1/audit", AUDIT, (audit::list, "Who has changed what"))
}

fn webhook_routes() -> Routes {
    Routes::default()
        .get("/v1/webhooks", READ, (webhooks::list, "Webhooks, newest first"))
        .post(
            "/v1/webhooks",
            WRITE,
            (
                webhooks::create,
                "Has an address told when jobs end; its secret is in the answer, this once",
            ),
        )
        .audited("webhook.create")
        .get("/v1/webhooks/{id}", READ, (webhooks::show, "One webhook"))
        .patch("/v1/webhooks/{id}", WRITE, (webhooks::change, "Changes a webhook"))
        .audited("webhook.change")
        .delete("/v1/webhooks/{id}", WRITE, (webhooks::remove, "Removes a webhook"))
        .audited("webhook.remove")
        .post("/v1/webhooks/{id}/rotate", WRITE, (webhooks::rotate, "Gives a webhook a new secret"))
        .audited("webhook.rotate")
        .post(
            "/v1/webhooks/{id}/test",
            WRITE,
            (webhooks::test, "Sends a message that is about no job"),
        )
        .audited("webhook.test")
        .get(
            "/v1/webhooks/{id}/deliveries",
            READ,
            (webhooks::deliveries, "What a webhook was told, newest first"),
        )
        .post("/v1/webhooks/{id}/replay", WRITE, (webhooks::replay, "Tells a webhook once more"))
        .audited("webhook.replay")
}

/// What anybody may know: what operations there are, and whether this process lives.
fn open_routes() -> Routes {
    Routes::default()
        .get(
            "/v1/operations",
            Need::Nothing,
            (schema::operations, "Every operation and its parameters"),
        )
        .get("/v1/openapi.json", Need::Nothing, (openapi::openapi, "This document"))
        .get("/v1/schema/job", Need::Nothing, (schema::job, "The JSON Schema of a job"))
        .get("/healthz", Need::Nothing, (health::alive, "Whether this process lives"))
        .get("/readyz", Need::Nothing, (health::ready, "Whether it can work, and why not"))
}
