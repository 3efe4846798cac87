//! Every route, with the scope that it needs and the name of what it changes, in one table.
//!
//! A route is made with its need and cannot be made without one.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use panofleet_jobs_db::Scope;

use super::auth::Need;
use super::{
    Api, act, audit, bulk, dead_letters, drains, failures, fleet, health, jobs, keys, outputs,
    pauses, scale, schedules, schema, submit, uploads, wait, webhooks,
};
use crate::pages;

/// To see what a tenant has.
pub(crate) const READ: Need = Need::OneOf(&[Scope::JobsRead]);
/// To change it.
const WRITE: Need = Need::OneOf(&[Scope::JobsWrite]);
/// To run the fleet.
const OPS: Need = Need::OneOf(&[Scope::Ops]);
/// To ask how many workers there should be.
const SCALE: Need = Need::OneOf(&[Scope::Scale]);
/// To say who may do what.
const ADMIN: Need = Need::OneOf(&[Scope::Admin]);
/// To see who has done what.
const AUDIT: Need = Need::OneOf(&[Scope::Ops, Scope::Admin]);

/// Who reads the answers of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Program,
    Page,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its method.
    pub method: Method,
    /// Its path, with its variable parts in braces.
    pub path: &'static str,
    /// What it asks of whoever calls it.
    pub need: Need,
    /// What the audit log calls what it does; none if it changes nothing, or if jobs tell of it themselves.
    pub audit: Option<&'static str>,
    pub(crate) kind: Kind,
}

/// Every route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// The route of a request.
    pub(crate) fn row(&self, path: &str, method: &Method) -> Option<&Row> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.iter().find(|row| row.path == path && row.method == *method)
    }
}

/// Routes, and their rows.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    router: Router<Arc<Api>>,
    table: Table,
}

impl Routes {
    pub(crate) fn route<H, T>(
        self,
        method: Method,
        (path, need): (&'static str, Need),
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        let Self { router, table: Table(mut rows) } = self;
        let filter = MethodFilter::try_from(method.clone()).expect("a method that axum routes");
        rows.push(Row { method, path, need, audit: None, kind: Kind::Program });
        Self { router: router.route(path, on(filter, handler)), table: Table(rows) }
    }

    pub(crate) fn get<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        self.route(Method::GET, (path, need), handler)
    }

    pub(crate) fn page<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        let mut routes = self.get(path, need, handler);
        routes.last(|row| row.kind = Kind::Page);
        routes
    }

    pub(crate) fn post<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        self.route(Method::POST, (path, need), handler)
    }

    fn put<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        self.route(Method::PUT, (path, need), handler)
    }

    fn patch<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        self.route(Method::PATCH, (path, need), handler)
    }

    fn delete<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        self.route(Method::DELETE, (path, need), handler)
    }

    /// What the last route does is in the audit log, by this name.
    fn audited(mut self, action: &'static str) -> Self {
        self.last(|row| row.audit = Some(action));
        self
    }

    fn last(&mut self, change: impl FnOnce(&mut Row)) {
        change(self.table.0.last_mut().expect("a route was made before it is told about"));
    }

    fn merge(self, other: Self) -> Self {
        let Table(mut rows) = self.table;
        rows.extend(other.table.0);
        Self { router: self.router.merge(other.router), table: Table(rows) }
    }

    pub(crate) fn into_parts(self) -> (Router<Arc<Api>>, Table) {
        (self.router, self.table)
    }
}

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
    Routes::default().get("/v1/jobs/{id}/wait", READ, wait::wait)
}

fn jobs_routes() -> Routes {
    Routes::default()
        .get("/v1/jobs", READ, jobs::list)
        .post("/v1/jobs", WRITE, submit::submit)
        .get("/v1/jobs/{id}", READ, jobs::get)
        .get("/v1/jobs/{id}/history", READ, jobs::history)
        .get("/v1/jobs/{id}/manifest", READ, outputs::manifest)
        .get("/o/{job}/{output}/{*path}", READ, outputs::file)
        .post("/v1/jobs/{id}/cancel", WRITE, act::cancel)
        .audited("job.cancel")
        .post("/v1/jobs/{id}/retry", WRITE, act::retry)
        .audited("job.retry")
        .get("/v1/presets", READ, schema::presets)
        .get("/v1/counts", READ, fleet::counts)
        .get("/v1/failures", READ, failures::list)
        .get("/v1/bulk", READ, bulk::list)
        .post("/v1/bulk", WRITE, bulk::begin)
        .audited("bulk.begin")
        .get("/v1/bulk/{id}", READ, bulk::get)
        .post("/v1/bulk/{id}/stop", WRITE, bulk::stop)
        .audited("bulk.stop")
        .post("/v1/uploads", WRITE, uploads::begin)
        .get("/v1/schedules", READ, schedules::list)
        .put("/v1/schedules/{name}", WRITE, schedules::add)
        .audited("schedule.add")
        .delete("/v1/schedules/{name}", WRITE, schedules::remove)
        .audited("schedule.remove")
        .post("/v1/schedules/{name}/pause", WRITE, schedules::pause)
        .audited("schedule.pause")
        .post("/v1/schedules/{name}/resume", WRITE, schedules::resume)
        .audited("schedule.resume")
}

fn fleet_routes() -> Routes {
    Routes::default()
        .get("/v1/workers", OPS, fleet::workers)
        .get("/v1/scale", SCALE, scale::all)
        .get("/v1/scale/{region}/{lane}", SCALE, scale::one)
        .put("/v1/workers/{worker}/drain", OPS, drains::drain)
        .audited("worker.drain")
        .delete("/v1/workers/{worker}/drain", OPS, drains::undrain)
        .audited("worker.undrain")
        .get("/v1/dead-letters", OPS, dead_letters::list)
        .get("/v1/dead-letters/{id}", OPS, dead_letters::show)
        .post("/v1/dead-letters/{id}/replay", OPS, dead_letters::replay)
        .audited("dead_letter.replay")
        .get("/v1/pauses", OPS, pauses::list)
        .put("/v1/pauses/{kind}/{name}", OPS, pauses::pause)
        .audited("pause.begin")
        .delete("/v1/pauses/{kind}/{name}", OPS, pauses::resume)
        .audited("pause.end")
        .get("/metrics", OPS, health::metrics)
}

fn key_routes() -> Routes {
    Routes::default()
        .get("/v1/whoami", Need::AnyKey, keys::whoami)
        .get("/v1/keys", ADMIN, keys::list)
        .post("/v1/keys", ADMIN, keys::create)
        .audited("key.create")
        .get("/v1/keys/{id}", ADMIN, keys::show)
        .delete("/v1/keys/{id}", ADMIN, keys::revoke)
        .audited("key.revoke")
        .post("/v1/keys/{id}/rotate", ADMIN, keys::rotate)
        .audited("key.rotate")
        .get("/v1/audit", AUDIT, audit::list)
}

fn webhook_routes() -> Routes {
    Routes::default()
        .get("/v1/webhooks", READ, webhooks::list)
        .post("/v1/webhooks", WRITE, webhooks::create)
        .audited("webhook.create")
        .get("/v1/webhooks/{id}", READ, webhooks::show)
        .patch("/v1/webhooks/{id}", WRITE, webhooks::change)
        .audited("webhook.change")
        .delete("/v1/webhooks/{id}", WRITE, webhooks::remove)
        .audited("webhook.remove")
        .post("/v1/webhooks/{id}/rotate", WRITE, webhooks::rotate)
        .audited("webhook.rotate")
        .post("/v1/webhooks/{id}/test", WRITE, webhooks::test)
        .audited("webhook.test")
        .get("/v1/webhooks/{id}/deliveries", READ, webhooks::deliveries)
        .post("/v1/webhooks/{id}/replay", WRITE, webhooks::replay)
        .audited("webhook.replay")
}

/// What anybody may know: what operations there are, and whether this process lives.
fn open_routes() -> Routes {
    Routes::default()
        .get("/v1/operations", Need::Nothing, schema::operations)
        .get("/v1/schema/job", Need::Nothing, schema::job)
        .get("/healthz", Need::Nothing, health::alive)
        .get("/readyz", Need::Nothing, health::ready)
}
