//! What a handler asks for and answers, read off its types: the OpenAPI document is made of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response, Sse};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::Api;
use super::auth::granted::Granted;
use super::extract::{JobPath, JsonBody, MaybeJson, Params, Segments};

/// Gives a type's schema, or a reference to it.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a route asks for beside its path, and what it answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// The body, JSON.
    pub(crate) body: Option<SchemaOf>,
    /// Whether the body may be left out.
    pub(crate) may_be_empty: bool,
    /// The parameters of the query, as the properties of an object.
    pub(crate) query: Option<SchemaOf>,
    /// The status of success, or `2XX` where there may be several.
    pub(crate) status: Option<&'static str>,
    /// The answer, JSON; none if it is something else.
    pub(crate) answer: Option<SchemaOf>,
    /// The media type of an answer that is no JSON.
    pub(crate) media_type: Option<&'static str>,
}

/// An argument of a handler.
pub(crate) trait Asks {
    fn shape(_: &mut Shape) {}
}

impl<T: JsonSchema> Asks for JsonBody<T> {
    fn shape(shape: &mut Shape) {
        shape.body = Some(SchemaGenerator::subschema_for::<T>);
    }
}

impl<T: JsonSchema> Asks for MaybeJson<T> {
    fn shape(shape: &mut Shape) {
        shape.body = Some(SchemaGenerator::subschema_for::<T>);
        shape.may_be_empty = true;
    }
}

impl<T: JsonSchema> Asks for Params<T> {
    fn shape(shape: &mut Shape) {
        shape.query = Some(SchemaGenerator::root_schema_for::<T>);
    }
}

impl<T> Asks for Segments<T> {}
impl Asks for JobPath {}
impl Asks for Granted {}
impl Asks for State<Arc<Api>> {}
impl Asks for HeaderMap {}
impl Asks for Method {}
impl Asks for axum::extract::Request {}

/// What a handler returns.
pub(crate) trait Answers {
    fn shape(_: &mut Shape) {}
}

impl<T: JsonSchema> Answers for Json<T> {
    fn shape(shape: &mut Shape) {
        shape.status = Some("200");
        shape.answer = Some(SchemaGenerator::subschema_for::<T>);
    }
}

impl<T: JsonSchema> Answers for (StatusCode, Json<T>) {
    fn shape(shape: &mut Shape) {
        shape.status = Some("2XX");
        shape.answer = Some(SchemaGenerator::subschema_for::<T>);
    }
}

impl Answers for ([(HeaderName, &'static str); 1], String) {
    fn shape(shape: &mut Shape) {
        shape.status = Some("200");
        shape.media_type = Some("text/plain");
    }
}

impl<S> Answers for Sse<S> {
    fn shape(shape: &mut Shape) {
        shape.status = Some("200");
        shape.media_type = Some("text/event-stream");
    }
}

/// The type does not say it; the table of routes does.
impl Answers for Response {}

impl<T: Answers, E> Answers for Result<T, E> {
    fn shape(shape: &mut Shape) {
        T::shape(shape);
    }
}

/// Something that was just made: 201, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Created<T> {
    pub(crate) location: String,
    pub(crate) made: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let location = [(header::LOCATION, self.location)];
        (StatusCode::CREATED, location, Json(self.made)).into_response()
    }
}

impl<T: JsonSchema> Answers for Created<T> {
    fn shape(shape: &mut Shape) {
        shape.status = Some("201");
        shape.answer = Some(SchemaGenerator::subschema_for::<T>);
    }
}

/// A handler whose arguments and whose result say what they are. `T` is as in [`axum::handler::Handler`].
pub(crate) trait Shaped<T> {
    fn shape() -> Shape;
}

impl<F, Fut> Shaped<((),)> for F
where
    F: FnOnce() -> Fut,
    Fut: Future,
    Fut::Output: Answers,
{
    fn shape() -> Shape {
        let mut shape = Shape::default();
        Fut::Output::shape(&mut shape);
        shape
    }
}

/// Handlers of so many arguments; `Via` is how axum tells the last one's kind.
macro_rules! shaped {
    ($($argument:ident)+) => {
        impl<F, Fut, Via, $($argument),+> Shaped<(Via, $($argument,)+)> for F
        where
            F: FnOnce($($argument),+) -> Fut,
            Fut: Future,
            Fut::Output: Answers,
            $($argument: Asks,)+
        {
            fn shape() -> Shape {
                let mut shape = Shape::default();
                $($argument::shape(&mut shape);)+
                Fut::Output::shape(&mut shape);
                shape
            }
        }
    };
}

shaped!(A);
shaped!(A B);
shaped!(A B C);
shaped!(A B C D);
