//! Who is told when jobs end.

use panofleet_tests::fleet::{Fleet, Kind};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::site::{PATIENCE, ended};

/// A message, once it is read and answered: its `webhook-id`, and its body.
async fn heard(connection: TcpStream) -> (String, Value) {
    let mut connection = BufReader::new(connection);
    let (mut id, mut bytes) = (String::new(), 0);
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name {
            "webhook-id" => value.clone_into(&mut id),
            "content-length" => bytes = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; bytes];
    connection.read_exact(&mut body).await.unwrap();
    connection.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
    (id, serde_json::from_slice(&body).unwrap())
}

/// What ends while nobody listens is told when somebody does, whoever has died meanwhile.
pub(crate) async fn what_ended_is_told_over_the_death_of_everything(kind: Kind) {
    let mut fleet = Fleet::start(kind, &["api.webhooks.networks=[\"127.0.0.0/8\"]"]).await;
    // Of the receiver there is an address only.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let asked = json!({ "url": format!("http://{address}/hook") });
    let webhook = fleet.api.post("/v1/webhooks", &asked).await.unwrap();
    let nothing = json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop" } } });
    let job = fleet.api.submit(&nothing).await.unwrap().id;
    ended(&fleet, job).await;
    fleet.kill();
    let listener = TcpListener::bind(address).await.unwrap();
    fleet.start_again().await;
    let told = async {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let (id, message) = heard(connection).await;
            if message["data"]["id"] == job.to_string() {
                return (id, message);
            }
        }
    };
    let (id, message) = tokio::time::timeout(PATIENCE, told).await.expect("it is told");
    assert_eq!(message["type"], "job.succeeded");
    let path = format!("/v1/webhooks/{}/deliveries", webhook["id"].as_str().unwrap());
    let noted = async {
        loop {
            let listed = fleet.api.get(&path).await.unwrap();
            let all = listed["deliveries"].as_array().unwrap().clone();
            if let [one] = all.as_slice()
                && one["state"] == "delivered"
            {
                return one["id"].clone();
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, noted).await.expect("it is noted"), id);
}
