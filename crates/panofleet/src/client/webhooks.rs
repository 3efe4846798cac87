//! Webhooks.

use anyhow::Result;
use panofleet_producer::api::{
    DeliveryList, MadeWebhook, NewWebhook, ReplayRequest, Replayed, TestDelivery, WebhookChange,
    WebhookList, WebhookView,
};
use reqwest::Method;
use uuid::Uuid;

use super::Client;

impl Client {
    pub(crate) async fn webhooks(&self) -> Result<Vec<WebhookView>> {
        let list: WebhookList = self.ask(self.request(Method::GET, "/v1/webhooks")).await?;
        Ok(list.webhooks)
    }

    pub(crate) async fn add_webhook(&self, new: &NewWebhook) -> Result<MadeWebhook> {
        self.ask(self.request(Method::POST, "/v1/webhooks").json(new)).await
    }

    pub(crate) async fn change_webhook(
        &self,
        id: Uuid,
        change: &WebhookChange,
    ) -> Result<WebhookView> {
        let request = self.request(Method::PATCH, &format!("/v1/webhooks/{id}"));
        self.ask(request.json(change)).await
    }

    pub(crate) async fn remove_webhook(&self, id: Uuid) -> Result<WebhookView> {
        self.ask(self.request(Method::DELETE, &format!("/v1/webhooks/{id}"))).await
    }

    pub(crate) async fn rotate_webhook(&self, id: Uuid) -> Result<MadeWebhook> {
        self.ask(self.request(Method::POST, &format!("/v1/webhooks/{id}/rotate"))).await
    }

    pub(crate) async fn test_webhook(&self, id: Uuid) -> Result<TestDelivery> {
        self.ask(self.request(Method::POST, &format!("/v1/webhooks/{id}/test"))).await
    }

    pub(crate) async fn deliveries(
        &self,
        id: Uuid,
        query: &[(&str, String)],
    ) -> Result<DeliveryList> {
        let request = self.request(Method::GET, &format!("/v1/webhooks/{id}/deliveries"));
        self.ask(request.query(query)).await
    }

    pub(crate) async fn replay_deliveries(
        &self,
        id: Uuid,
        which: &ReplayRequest,
    ) -> Result<Replayed> {
        let request = self.request(Method::POST, &format!("/v1/webhooks/{id}/replay"));
        self.ask(request.json(which)).await
    }
}
