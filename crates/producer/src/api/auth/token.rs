//! The text of an API key: `pf_`, its id and its secret, in hexadecimal digits.
//!
//! The prefix lets scanners for leaked secrets find it, and the id lets anybody say which key it is without its secret.

use std::fmt;

use panofleet_job_schema::Secret;
use panofleet_jobs_db::SecretHash;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// What every key begins with.
const PREFIX: &str = "pf_";

/// A key as its holder has it.
#[derive(Clone)]
pub(crate) struct Token {
    /// Which key.
    pub(crate) id: Uuid,
    secret: [u8; 32],
}

impl Token {
    /// A new key with a secret of 256 random bits.
    pub(crate) fn random() -> Self {
        Self { id: Uuid::now_v7(), secret: rand::random() }
    }

    /// What somebody sent, if it has the form of a key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let id = Uuid::from_slice(&hex::decode(id).ok()?).ok()?;
        Some(Self { id, secret: hex::decode(secret).ok()?.try_into().ok()? })
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> SecretHash {
        hash(&self.secret)
    }

    /// The text, which is shown once.
    pub(crate) fn text(&self) -> Secret {
        let (id, secret) = (self.id.simple(), hex::encode(self.secret));
        Secret::new(format!("{PREFIX}{id}_{secret}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is kept of a secret.
pub(crate) fn hash(secret: &[u8]) -> SecretHash {
    Sha256::digest(secret).into()
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
pub(crate) fn equal(one: &SecretHash, other: &SecretHash) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_not_shown() {
        let token = Token::random();
        let text = token.text();
        let read = Token::parse(text.expose()).unwrap();
        assert_eq!((read.id, read.hash()), (token.id, token.hash()));
        assert_eq!(text.expose().len(), 3 + 32 + 1 + 64);
        assert!(!format!("{token:?}").contains(&hex::encode(token.secret)));
        assert_ne!(Token::random().hash(), token.hash());
    }

    #[test]
    fn what_is_no_key_is_none() {
        let good = format!("pf_{}_{}", "0".repeat(32), "0".repeat(64));
        assert!(Token::parse(&good).is_some());
        for bad in [
            "",
            "pf_",
            "pf__",
            good.trim_start_matches('p'),
            good.strip_suffix("00").unwrap(),
            &format!("{good}00"),
            &good.replace("pf_0", "pf_g"),
            &good.replacen('_', "-", 1),
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn hashes_are_equal_if_every_bit_is() {
        let one = hash(b"one");
        assert!(equal(&one, &hash(b"one")));
        for bit in 0..256 {
            let mut other = one;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!equal(&one, &other), "{bit}");
        }
    }
}
