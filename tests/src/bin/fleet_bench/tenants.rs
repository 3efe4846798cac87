//! Whether it costs anything that jobs are of many tenants.

use anyhow::Result;
use panofleet_tests::fleet::Roles;

use crate::SETTINGS;
use crate::lab::Lab;

const MANY: u32 = 10_000;

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let mut lab = Lab::start(&Roles { workers: 2, ..Roles::default() }, &SETTINGS).await;
    let [load] = lab.loads()?;
    // The first run warms everything up.
    for (run, tenants) in (1_u64..).zip([1, 1, MANY]) {
        load.pause(lab.fleet.region(), true).await?;
        lab.accept(&load, jobs).await?;
        if tenants > 1 {
            // An API has one tenant: the rows get theirs here.
            let name = format!("'t' || (('x' || right(id::text, 8))::bit(32)::bigint % {tenants})");
            lab.ask(&format!(
                "UPDATE jobs SET tenant = {name}, doc = replace(doc, '\"tenant\":\"default\"', '\"tenant\":\"' || {name} || '\"')
                 WHERE state = 'queued'"
            ));
        }
        lab.ask("VACUUM ANALYZE jobs");
        let what = format!("{jobs} jobs of {tenants} tenants");
        lab.run(&load, &what, (jobs, run * u64::from(jobs))).await?;
    }
    lab.fleet.stop().await;
    Ok(())
}
