//! What people ask about retries.

use anyhow::Result;
use panofleet_producer::api::{AnswerView, QuestionList};
use reqwest::Method;

use super::Client;

impl Client {
    pub(crate) async fn questions(&self) -> Result<QuestionList> {
        self.ask(self.request(Method::GET, "/v1/questions")).await
    }

    pub(crate) async fn answer(&self, name: &str, query: &[(&str, String)]) -> Result<AnswerView> {
        self.ask(self.request(Method::GET, &format!("/v1/questions/{name}")).query(query)).await
    }
}
