//! Leads: a name is held by a connection, and free again when the server has seen the connection end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use panofleet_jobs_db::{JobsDbError, Lead};
use tokio::time::sleep;

use crate::link::Link;
use crate::world::Shared;

/// How often a leader looks whether it still leads.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the server takes to see that a process is gone.
const NOTICED_AFTER: Duration = Duration::from_secs(2);

/// Who holds a name.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    session: u64,
    process: &'static str,
    life: u32,
    /// When the server found the holder gone.
    gone_at: Option<Duration>,
}

/// Whether the name may be given to somebody else by now.
fn is_free(shared: &mut Shared, name: &str) -> bool {
    let now = shared.now;
    let Some(holder) = shared.db.leads.get(name).cloned() else { return true };
    if shared.is_alive(holder.process, holder.life) {
        return false;
    }
    let holder = shared.db.leads.get_mut(name).expect("it was there a moment ago");
    *holder.gone_at.get_or_insert(now) + NOTICED_AFTER <= now
}

pub(super) async fn try_lead(
    link: &Link,
    name: &str,
) -> Result<Option<Box<dyn Lead>>, JobsDbError> {
    let (process, life, wanted) = (link.process, link.life, name.to_owned());
    // The connection goes down with a call that is given up: nobody holds a lead that nobody knows of.
    let given_up = Arc::new(AtomicBool::new(false));
    let is_given_up = Arc::clone(&given_up);
    let take = move |shared: &mut Shared| {
        if is_given_up.load(Ordering::Relaxed) || !is_free(shared, &wanted) {
            return None;
        }
        shared.db.sessions += 1;
        let session = shared.db.sessions;
        let holder = Holder { session, process, life, gone_at: None };
        shared.db.leads.insert(wanted.clone(), holder);
        shared.note(format_args!("db: {process} leads {wanted}"));
        Some(session)
    };
    let session = match link.call("try_lead", take).await {
        Ok(session) => session,
        Err(no_answer) => {
            given_up.store(true, Ordering::Relaxed);
            let mut world = link.world.enter();
            let is_ours = |holder: &Holder| holder.process == process && holder.life == life;
            world.db.leads.retain(|_, holder| !is_ours(holder));
            return Err(no_answer.into());
        }
    };
    Ok(session.map(|session| {
        let held = Held { link: link.clone(), name: name.to_owned(), session };
        Box::new(held) as Box<dyn Lead>
    }))
}

/// Connections of a process end, or all of them: its leads are free, and it does not know yet.
pub(crate) fn end_sessions(shared: &mut Shared, process: Option<&'static str>) {
    shared.db.leads.retain(|_, holder| process.is_some_and(|process| holder.process != process));
}

#[derive(Debug)]
struct Held {
    link: Link,
    name: String,
    session: u64,
}

impl Held {
    fn holds(&self) -> bool {
        let world = self.link.world.lock();
        world.db.leads.get(&self.name).is_some_and(|holder| holder.session == self.session)
    }
}

#[async_trait]
impl Lead for Held {
    async fn lost(&mut self) {
        while self.holds() {
            sleep(LOOK_EVERY).await;
        }
    }

    async fn resign(self: Box<Self>) -> Result<(), JobsDbError> {
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut world = self.link.world.lock();
        if world.is_alive(self.link.process, self.link.life) {
            world.db.leads.retain(|_, holder| holder.session != self.session);
        }
    }
}
