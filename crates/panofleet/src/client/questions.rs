//! What people ask about retries.

use std::collections::BTreeMap;

use anyhow::Result;
use panofleet_producer::api::{AnswerView, QuestionList};
use reqwest::Method;
use serde::Deserialize;

use super::Client;

impl Client {
    /// Jobs by state.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<String, u64>> {
        #[derive(Deserialize)]
        struct Answer {
            states: BTreeMap<String, u64>,
        }
        Ok(self.ask::<Answer>(self.request(Method::GET, "/v1/counts")).await?.states)
    }

    pub(crate) async fn questions(&self) -> Result<QuestionList> {
        self.ask(self.request(Method::GET, "/v1/questions")).await
    }

    pub(crate) async fn answer(&self, name: &str, query: &[(&str, String)]) -> Result<AnswerView> {
        self.ask(self.request(Method::GET, &format!("/v1/questions/{name}")).query(query)).await
    }
}
