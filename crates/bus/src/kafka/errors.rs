//! What the clients' errors mean to a caller. Only what is known to be final is a refusal: a broker that goes down or
//! comes up says many things.

use krafka::error::{ErrorCode, KrafkaError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::BusError;

impl From<KafkaError> for BusError {
    fn from(error: KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        let refused = match error.rdkafka_error_code() {
            Some(code) => matches!(
                code,
                Code::UnknownTopic
                    | Code::UnknownPartition
                    | Code::UnknownTopicOrPartition
                    | Code::MessageSizeTooLarge
                    | Code::InvalidMessageSize
                    | Code::InvalidTopic
                    | Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
                    | Code::AutoOffsetReset
                    | Code::OffsetOutOfRange
            ),
            None => matches!(error, KafkaError::ClientConfig(..) | KafkaError::Nul(_)),
        };
        if refused {
            Self::Refused(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

impl From<KrafkaError> for BusError {
    fn from(error: KrafkaError) -> Self {
        use ErrorCode as Code;
        let refused = match &error {
            KrafkaError::Config { .. }
            | KrafkaError::Auth { .. }
            | KrafkaError::UnknownTopic { .. } => true,
            KrafkaError::Broker { code, .. } => matches!(
                code,
                Code::UnknownTopicOrPartition
                    | Code::UnknownTopicId
                    | Code::InvalidTopic
                    | Code::MessageTooLarge
                    | Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
                    | Code::SaslAuthenticationFailed
                    | Code::SecurityDisabled
                    | Code::UnsupportedVersion
                    | Code::InvalidConfig
                    | Code::InvalidRequest
                    | Code::InvalidPartitions
                    | Code::InvalidReplicationFactor
                    | Code::PolicyViolation
            ),
            _ => false,
        };
        if refused {
            Self::Refused(format!("{error}{}", advice(&error)))
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

/// What to do about a refusal, where the client does not say it.
fn advice(error: &KrafkaError) -> &'static str {
    match error {
        KrafkaError::Auth { source: Some(_), .. } => {
            "; does tls_ca_file hold the CA that signed the brokers' certificates, are they valid for the names in \
             bootstrap_servers, and do the brokers speak TLS on that port?"
        }
        KrafkaError::Auth { source: None, .. }
        | KrafkaError::Broker { code: ErrorCode::SaslAuthenticationFailed, .. } => {
            "; are sasl.username and sasl.password right, and was that user made for SCRAM-SHA-512?"
        }
        KrafkaError::Broker {
            code:
                ErrorCode::TopicAuthorizationFailed
                | ErrorCode::GroupAuthorizationFailed
                | ErrorCode::ClusterAuthorizationFailed,
            ..
        } => "; has this user the ACLs of its role?",
        _ => "",
    }
}
