//! The envelope: version, signature and trace context around everything on the bus.
//!
//! On the wire:
//!
//! ```text
//! pf1 <key id> <HMAC-SHA256, hexadecimal>\n
//! {"sent_at": …, "trace": …, "kind": "job", "body": {…}}
//! ```
//!
//! The signature covers `pf1 <key id>\n` and the raw bytes of the payload, so that nothing is parsed before
//! it is trusted, and a key cannot be taken for another. The version stands outside the payload, so that a
//! reader can say "version 7" about an envelope that it cannot read. A reader of version N reads N−1;
//! `tests/envelopes.rs` holds samples of every version. Unknown fields in a payload are ignored.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::limits::ENVELOPE_BYTES_MAX;
use crate::message::{ClaimEvent, ControlRecord, Heartbeat, JobMessage};
use crate::order::WorkerOrder;
use crate::time::Timestamp;

/// The version that this code writes.
pub const VERSION: u32 = 1;
/// The oldest version that this code reads.
pub const VERSION_MIN: u32 = 1;

/// One thing on the bus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// When it was made, by its maker's clock.
    pub sent_at: Timestamp,
    /// W3C trace context (`traceparent`) of what led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// What an envelope says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Body {
    /// A job for a worker.
    Job(Box<JobMessage>),
    /// Something that happened to a claim.
    Event(Box<ClaimEvent>),
    /// A worker's sign of life.
    Heartbeat(Heartbeat),
    /// What everybody may know about a job.
    Control(ControlRecord),
    /// What one worker is told to do.
    Order(WorkerOrder),
}

/// Why an envelope cannot be read. The record goes to the dead letters with this as the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Past the limit.
    #[error("envelope of {0} bytes; the limit is {ENVELOPE_BYTES_MAX}")]
    TooLong(usize),
    /// No envelope at all.
    #[error("not an envelope: the first line is not `pf<version> <key id> <signature>`")]
    NotAnEnvelope,
    /// Of a version that this code does not know.
    #[error(
        "envelope version {0}; this program reads {VERSION_MIN} to {VERSION}: upgrade it first"
    )]
    UnknownVersion(u32),
    /// Signed with a key that is not on the ring.
    #[error("signed with unknown key `{0}`")]
    UnknownKey(String),
    /// Not what was signed.
    #[error("the signature does not match")]
    BadSignature,
    /// Signed, but not of this schema.
    #[error("payload does not fit version {VERSION}: {0}")]
    BadPayload(String),
}

/// The keys of a region: one signs, all verify, so that keys rotate with overlap.
#[derive(Clone)]
pub struct KeyRing {
    signing: (String, Vec<u8>),
    keys: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.keys().collect();
        f.debug_struct("KeyRing").field("signing", &self.signing.0).field("ids", &ids).finish()
    }
}

/// A key ring that cannot sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeyRing {
    /// The signing key is not among the keys.
    #[error("signing key `{0}` is not among the keys")]
    NoSigningKey(String),
    /// Too short to be a secret.
    #[error("key `{id}` has {bytes} bytes; a key needs at least 32")]
    Short {
        /// The key.
        id: String,
        /// Its length.
        bytes: usize,
    },
    /// An id that would break the first line.
    #[error("key id `{0}` must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    BadId(String),
}

impl KeyRing {
    /// A ring that signs with `signing` and verifies with every key.
    ///
    /// # Errors
    /// [`BadKeyRing`] for a missing signing key, a short key or an id with other characters.
    pub fn new(signing: &str, keys: BTreeMap<String, Vec<u8>>) -> Result<Self, BadKeyRing> {
        for (id, secret) in &keys {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if !(1..=64).contains(&id.len()) || !id.bytes().all(fits) {
                return Err(BadKeyRing::BadId(id.clone()));
            }
            if secret.len() < 32 {
                return Err(BadKeyRing::Short { id: id.clone(), bytes: secret.len() });
            }
        }
        let secret =
            keys.get(signing).ok_or_else(|| BadKeyRing::NoSigningKey(signing.to_owned()))?;
        Ok(Self { signing: (signing.to_owned(), secret.clone()), keys })
    }

    /// The ids of its keys.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    fn mac(secret: &[u8], key_id: &str, payload: &[u8]) -> Hmac<Sha256> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
            unreachable!("HMAC takes a key of any length");
        };
        mac.update(format!("pf{VERSION} {key_id}\n").as_bytes());
        mac.update(payload);
        mac
    }
}

impl Envelope {
    /// Writes and signs the envelope.
    ///
    /// # Errors
    /// [`Unreadable::TooLong`] for an envelope that no reader would take.
    pub fn seal(&self, ring: &KeyRing) -> Result<Vec<u8>, Unreadable> {
        let payload =
            serde_json::to_vec(self).map_err(|error| Unreadable::BadPayload(error.to_string()))?;
        let (key_id, secret) = &ring.signing;
        let signature = KeyRing::mac(secret, key_id, &payload).finalize().into_bytes();
        let mut wire = format!("pf{VERSION} {key_id} ").into_bytes();
        for byte in signature {
            wire.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
        wire.push(b'\n');
        wire.extend_from_slice(&payload);
        if wire.len() > ENVELOPE_BYTES_MAX {
            Err(Unreadable::TooLong(wire.len()))
        } else {
            Ok(wire)
        }
    }

    /// Verifies and reads an envelope.
    ///
    /// # Errors
    /// [`Unreadable`] with the reason for the dead letters.
    pub fn open(wire: &[u8], ring: &KeyRing) -> Result<Self, Unreadable> {
        let (key_id, signature, payload) = known(wire)?;
        let Some(secret) = ring.keys.get(key_id) else {
            return Err(Unreadable::UnknownKey(key_id.to_owned()));
        };
        KeyRing::mac(secret, key_id, payload)
            .verify_slice(&signature)
            .map_err(|_mismatch| Unreadable::BadSignature)?;
        serde_json::from_slice(payload).map_err(|e| Unreadable::BadPayload(e.to_string()))
    }
}

impl Unreadable {
    /// Why nobody can read an envelope whose key is on no ring.
    pub(crate) fn of_nobody(wire: &[u8]) -> Self {
        match known(wire) {
            Ok((key_id, ..)) => Self::UnknownKey(key_id.to_owned()),
            Err(unreadable) => unreadable,
        }
    }
}

/// The id of the key that an envelope says it was signed with.
pub(crate) fn key_id(wire: &[u8]) -> Option<&str> {
    parse(wire).map(|(_, key_id, ..)| key_id)
}

/// Key id, signature and payload of an envelope of a version that this program reads.
fn known(wire: &[u8]) -> Result<(&str, Vec<u8>, &[u8]), Unreadable> {
    if wire.len() > ENVELOPE_BYTES_MAX {
        return Err(Unreadable::TooLong(wire.len()));
    }
    let (version, key_id, signature, payload) = parse(wire).ok_or(Unreadable::NotAnEnvelope)?;
    if !(VERSION_MIN..=VERSION).contains(&version) {
        return Err(Unreadable::UnknownVersion(version));
    }
    Ok((key_id, signature, payload))
}

/// Version, key id, signature and payload of what looks like an envelope.
fn parse(wire: &[u8]) -> Option<(u32, &str, Vec<u8>, &[u8])> {
    let end = wire.iter().take(256).position(|&byte| byte == b'\n')?;
    let (line, payload) = (std::str::from_utf8(&wire[..end]).ok()?, &wire[end + 1..]);
    let mut words = line.split(' ');
    let version = words.next()?.strip_prefix("pf")?.parse().ok()?;
    let key_id = words.next()?;
    // A later version may sign in another way: its number must still be readable.
    let signature = words.next().and_then(from_hex).unwrap_or_default();
    Some((version, key_id, signature, payload))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() % 2 == 1 {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}
