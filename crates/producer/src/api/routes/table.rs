//! How a route is made: with its need, and with what the audit log and the API's document say of it.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use schemars::{JsonSchema, SchemaGenerator};

use crate::api::Api;
use crate::api::auth::Need;
use crate::api::shape::{Shape, Shaped};

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
    /// What the API's document says of it; none if it is for pages.
    pub(crate) told: Option<Told>,
}

/// What the API's document says of a route.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) summary: &'static str,
    pub(crate) shape: Shape,
}

/// Every route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(pub(super) Vec<Row>);

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
    pub(super) table: Table,
}

impl Routes {
    fn add<H, T>(self, row: Row, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        let Self { router, table: Table(mut rows) } = self;
        let filter = MethodFilter::try_from(row.method.clone()).expect("a method that axum routes");
        let router = router.route(row.path, on(filter, handler));
        rows.push(row);
        Self { router, table: Table(rows) }
    }

    /// A route of the API: `summary` is what its document says of it.
    fn route<H, T>(
        self,
        method: Method,
        (path, need): (&'static str, Need),
        (handler, summary): (H, &'static str),
    ) -> Self
    where
        H: Handler<T, Arc<Api>> + Shaped<T>,
        T: 'static,
    {
        let told = Some(Told { summary, shape: <H as Shaped<T>>::shape() });
        self.add(Row { method, path, need, audit: None, kind: Kind::Program, told }, handler)
    }

    pub(super) fn get<H, T>(
        self,
        path: &'static str,
        need: Need,
        handler: (H, &'static str),
    ) -> Self
    where
        H: Handler<T, Arc<Api>> + Shaped<T>,
        T: 'static,
    {
        self.route(Method::GET, (path, need), handler)
    }

    pub(super) fn post<H, T>(
        self,
        path: &'static str,
        need: Need,
        handler: (H, &'static str),
    ) -> Self
    where
        H: Handler<T, Arc<Api>> + Shaped<T>,
        T: 'static,
    {
        self.route(Method::POST, (path, need), handler)
    }

    pub(super) fn put<H, T>(
        self,
        path: &'static str,
        need: Need,
        handler: (H, &'static str),
    ) -> Self
    where
        H: Handler<T, Arc<Api>> + Shaped<T>,
        T: 'static,
    {
        self.route(Method::PUT, (path, need), handler)
    }

    pub(super) fn patch<H, T>(
        self,
        path: &'static str,
        need: Need,
        handler: (H, &'static str),
    ) -> Self
    where
        H: Handler<T, Arc<Api>> + Shaped<T>,
        T: 'static,
    {
        self.route(Method::PATCH, (path, need), handler)
    }

    pub(super) fn delete<H, T>(
        self,
        path: &'static str,
        need: Need,
        handler: (H, &'static str),
    ) -> Self
    where
        H: Handler<T, Arc<Api>> + Shaped<T>,
        T: 'static,
    {
        self.route(Method::DELETE, (path, need), handler)
    }

    /// A page for people.
    pub(crate) fn page<H, T>(self, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        let (method, kind) = (Method::GET, Kind::Page);
        self.add(Row { method, path, need, audit: None, kind, told: None }, handler)
    }

    /// What pages load, and the forms that they send.
    pub(crate) fn of_pages<H, T>(
        self,
        method: Method,
        (path, need): (&'static str, Need),
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        let kind = Kind::Program;
        self.add(Row { method, path, need, audit: None, kind, told: None }, handler)
    }

    /// The last route takes this body, which its types do not say.
    pub(super) fn takes<B: JsonSchema>(mut self) -> Self {
        self.last(|row| {
            if let Some(told) = &mut row.told {
                told.shape.body = Some(SchemaGenerator::subschema_for::<B>);
            }
        });
        self
    }

    /// The last route answers this, which its types do not say.
    pub(super) fn answers<A: JsonSchema>(mut self, status: &'static str) -> Self {
        self.last(|row| {
            if let Some(told) = &mut row.told {
                told.shape.status = Some(status);
                told.shape.answer = Some(SchemaGenerator::subschema_for::<A>);
            }
        });
        self
    }

    /// The last route answers bytes of this type.
    pub(super) fn answers_bytes(mut self, media_type: &'static str) -> Self {
        self.last(|row| {
            if let Some(told) = &mut row.told {
                told.shape.status = Some("2XX");
                told.shape.media_type = Some(media_type);
            }
        });
        self
    }

    /// What the last route does is in the audit log, by this name.
    pub(super) fn audited(mut self, action: &'static str) -> Self {
        self.last(|row| row.audit = Some(action));
        self
    }

    fn last(&mut self, change: impl FnOnce(&mut Row)) {
        change(self.table.0.last_mut().expect("a route was made before it is told about"));
    }

    pub(super) fn merge(self, other: Self) -> Self {
        let Table(mut rows) = self.table;
        rows.extend(other.table.0);
        Self { router: self.router.merge(other.router), table: Table(rows) }
    }

    pub(crate) fn into_parts(self) -> (Router<Arc<Api>>, Table) {
        (self.router, self.table)
    }
}
