//! Signatures of messages: HMAC-SHA256 over `id.timestamp.body`, one for each secret that is good, so that a receiver who
//! knows the old secret or the new one finds one that fits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use panofleet_job_schema::{Secret, Timestamp};
use panofleet_jobs_db::WebhookSecret;
use sha2::Sha256;
use uuid::Uuid;

/// How a secret begins, where people see it.
const PREFIX: &str = "whsec_";

/// A secret that nobody knows yet.
pub(crate) fn random_secret() -> WebhookSecret {
    let key = BASE64.encode(rand::random::<[u8; 32]>());
    WebhookSecret { key: Secret::new(key), until: None }
}

/// A secret as its receiver gets it.
pub(crate) fn text(secret: &WebhookSecret) -> String {
    format!("{PREFIX}{}", secret.key.expose())
}

/// The value of `webhook-signature`, at a time by the clock that secrets end by.
pub(crate) fn signatures(
    secrets: &[WebhookSecret],
    now: Timestamp,
    (id, timestamp_s): (Uuid, i64),
    body: &[u8],
) -> String {
    let good = secrets.iter().filter(|secret| secret.until.is_none_or(|until| now < until));
    let signed = good.filter_map(|secret| signature(secret, &id.to_string(), timestamp_s, body));
    signed.collect::<Vec<_>>().join(" ")
}

/// `None` if the secret is no base64: no row has such a one.
fn signature(secret: &WebhookSecret, id: &str, timestamp_s: i64, body: &[u8]) -> Option<String> {
    let key = BASE64.decode(secret.key.expose()).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(key: &str, until: Option<i64>) -> WebhookSecret {
        WebhookSecret { key: Secret::new(key), until: until.map(Timestamp::from_millis) }
    }

    /// The vector of the specification's own libraries.
    #[test]
    fn the_published_vector_comes_out() {
        let secret = secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None);
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_that_was_rotated_signs_until_its_end() {
        let both = [random_secret(), secret("AAAA", Some(1000))];
        let at = |ms| {
            signatures(&both, Timestamp::from_millis(ms), (Uuid::nil(), 7), b"{}")
                .split(' ')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!((at(999).len(), at(1000).len()), (2, 1));
        assert_eq!(at(999)[0], at(1000)[0], "the new one comes first");
    }

    #[test]
    fn secrets_are_told_with_their_prefix_and_are_long() {
        let told = text(&random_secret());
        let key = BASE64.decode(told.strip_prefix(PREFIX).unwrap()).unwrap();
        assert_eq!(key.len(), 32);
        assert_ne!(told, text(&random_secret()));
    }
}
