//! A broker that lets in only whom it knows.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use panofleet_bus::kafka::{KafkaBus, KafkaConfig, KafkaSasl, KafkaTls, topics};
use panofleet_bus::{Bus as _, BusError};
use panofleet_job_schema::{Lane, Secret};
use panofleet_test_servers::KafkaServer;
use tokio::sync::OnceCell;

use crate::fixture::{LONG_LOCK, region};
use crate::kafka::{KafkaFixture, config, warm_up};
use crate::{control, dead_letters, events, queue, readers};

/// Who may do everything.
pub(crate) const ADMIN: &str = "admin";

/// Everybody else, who may do nothing until an ACL says so.
const USERS: [&str; 7] =
    ["producer", "dispatcher", "collector", "worker-a", "worker-b", "operator", "newcomer"];

/// The broker that these tests share.
pub(crate) async fn server() -> &'static KafkaServer {
    static SERVER: OnceLock<KafkaServer> = OnceLock::new();
    static WARM: OnceCell<()> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| KafkaServer::start_secured(&USERS));
    WARM.get_or_init(|| warm_up(config_of(server, ADMIN))).await;
    server
}

/// Settings of a user, whose topics no other test has.
pub(crate) fn config_of(server: &KafkaServer, user: &str) -> KafkaConfig {
    KafkaConfig {
        tls: Some(KafkaTls::Verified),
        tls_ca_file: Some(server.ca_file()),
        sasl: Some(KafkaSasl {
            username: user.to_owned(),
            password: Secret::new(server.password(user)),
        }),
        ..config(server.address(), LONG_LOCK)
    }
}

/// Every client and every kind of request, encrypted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bus_is_the_same_over_tls_and_sasl() {
    let server = server().await;
    let fixture = async || KafkaFixture::with(config_of(server, ADMIN)).await;
    queue::an_acknowledgement_is_final_also_after_a_crash(&mut fixture().await).await;
    queue::copy_fate_follows_a_message_through_its_life(&mut fixture().await).await;
    queue::payloads_are_kept_byte_for_byte_up_to_the_limit(&mut fixture().await).await;
    events::offsets_are_dense_and_each_publisher_keeps_its_order(&mut fixture().await).await;
    readers::two_readers_share_the_log_and_one_takes_over(&mut fixture().await).await;
    control::a_follower_sees_everything_that_was_published_before(&mut fixture().await).await;
    dead_letters::letters_are_kept_byte_for_byte_newest_first(&mut fixture().await).await;
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_what_to_do() {
    let server = server().await;
    let right = config_of(server, ADMIN);
    topics::apply(&right, &[region("a")], &[Lane::Image]).await.unwrap();
    assert!(KafkaBus::connect(&right).await.unwrap().event_log_id().await.is_ok());
    let sasl = |username: &str, password: &str| {
        let username = username.to_owned();
        Some(KafkaSasl { username, password: Secret::new(password) })
    };
    let cases = [
        (KafkaConfig { sasl: sasl(ADMIN, "guessed"), ..right.clone() }, "sasl.password"),
        (KafkaConfig { sasl: sasl("nobody", "guessed"), ..right.clone() }, "sasl.username"),
        (KafkaConfig { tls_ca_file: Some(server.other_ca_file()), ..right.clone() }, "tls_ca_file"),
        (KafkaConfig { tls_ca_file: None, ..right.clone() }, "tls_ca_file"),
        (KafkaConfig { tls_ca_file: Some("/none.pem".into()), ..right.clone() }, "/none.pem"),
    ];
    for (config, advice) in cases {
        let asked_at = Instant::now();
        let refused = KafkaBus::connect(&config).await;
        let Err(BusError::Refused(reason)) = &refused else {
            panic!("{advice}: {refused:?}");
        };
        assert!(reason.contains(advice), "{advice} is not in: {reason}");
        assert!(!reason.contains("guessed"), "a password is in: {reason}");
        assert!(asked_at.elapsed() < Duration::from_secs(20), "it took too long to say so");
    }
    // One side speaks TLS and the other does not: that looks like a broker that hangs up.
    let plain = vec![KafkaServer::shared().address()];
    for config in [
        KafkaConfig { bootstrap_servers: plain, ..right.clone() },
        KafkaConfig { tls: Some(KafkaTls::Off), tls_ca_file: None, sasl: None, ..right },
    ] {
        let hung_up = KafkaBus::connect(&config).await;
        assert!(matches!(&hung_up, Err(BusError::Unavailable(_))), "{hung_up:?}");
    }
}
