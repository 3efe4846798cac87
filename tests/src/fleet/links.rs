//! The links of one process to its servers, each behind a proxy of its own.

use panofleet_test_servers::{Faults, Proxy, free_ports};

use super::over_servers::Servers;

/// The links of one process.
#[derive(Debug)]
pub struct Links {
    /// To Kafka.
    pub kafka: Proxy,
    /// To PostgreSQL; a worker does not use it.
    pub postgres: Proxy,
    /// To the object store.
    pub objects: Proxy,
}

impl Links {
    pub(super) async fn start(servers: &Servers) -> Self {
        let door = servers.kafka.door();
        let [postgres, objects] = free_ports();
        Self {
            kafka: Proxy::start(door.proxy_port, door.server).await,
            postgres: Proxy::start(postgres, servers.postgres.address()).await,
            objects: Proxy::start(objects, servers.s3.address()).await,
        }
    }

    /// What has a process go by these links. `database` is the URL of its job database.
    pub(super) fn settings(&self, database: &str) -> [String; 3] {
        let [kafka, postgres, objects] = self.all().map(Proxy::port);
        let path = database.split_once('?').map_or(database, |(path, _socket)| path);
        let name = path.rsplit('/').next().unwrap_or_default();
        [
            format!("fleet.kafka.bootstrap_servers=[\"127.0.0.1:{kafka}\"]"),
            format!("fleet.postgres.url=postgres://postgres@127.0.0.1:{postgres}/{name}"),
            format!("fleet.objects.endpoint=http://127.0.0.1:{objects}"),
        ]
    }

    /// All of them.
    pub const fn all(&self) -> [&Proxy; 3] {
        [&self.kafka, &self.postgres, &self.objects]
    }

    /// Makes each of them as bad as this.
    pub fn set(&self, faults: Faults) {
        self.all().iter().for_each(|link| link.set(faults));
    }

    /// Resets every connection.
    pub fn reset(&self) {
        self.all().iter().for_each(|link| link.reset());
    }
}
