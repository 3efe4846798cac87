//! A database full of jobs.

use anyhow::{Result, anyhow};
use panofleet_job_schema::job::{Acceptance, Claim, DeadReason, State};
use panofleet_job_schema::manifest::ManifestSummary;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::{
    Attempt, ClaimId, Failure, Job, JobId, JobSpec, Region, Tenant, Timestamp, WorkerId,
};
use panofleet_jobs_db::JobsDb;
use panofleet_jobs_db::sqlite::SqliteFile;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

pub(crate) const REGION: &str = "hangzhou";
/// Whose half of the jobs is; the others are of 99 more.
pub(crate) const TENANT: &str = "default";
/// Templates; each is a hundredth of the jobs.
const PLACES: u32 = 100;
/// Attempts that came to nothing.
const SETBACKS: u32 = 100_000;

/// What was made.
#[derive(Debug)]
pub(crate) struct Seeded {
    newest: JobId,
    fingerprint: String,
}

impl Seeded {
    /// Pages, and what they ask.
    pub(crate) fn paths(&self) -> Vec<String> {
        let Self { newest, fingerprint } = self;
        let mut paths: Vec<String> = [
            "/",
            "/?state=queued",
            "/?state=succeeded",
            "/?state=dead&failed_within=24h",
            "/?region=hangzhou&state=running",
            "/?label=album:7",
            "/?worker=w2&state=dead",
            "/overview",
            "/failures",
            "/fleet",
            "/schedules",
            "/webhooks",
            "/dead-letters",
            "/audit",
            "/questions",
            "/v1/counts",
        ]
        .map(str::to_owned)
        .to_vec();
        paths.push(format!("/view/{newest}"));
        paths.push(format!("/failures/{fingerprint}"));
        for name in [
            "stuck",
            "retries-due",
            "retry-forecast",
            "deadline-at-risk",
            "oldest-queued",
            "lost-leases",
            "time-lost",
            "failed-by-worker",
            "failed-by-region",
            "failed-by-version",
            "failed-by-attempt",
            "failed-since-deploy",
        ] {
            paths.push(format!("/questions/{name}"));
        }
        paths
    }
}

/// A template: its state, its failure's fingerprint, its document.
struct Template {
    place: u32,
    job: Job,
    timer_at: Option<Timestamp>,
}

fn template(place: u32, now: Timestamp) -> Result<Template> {
    let spec: JobSpec = serde_json::from_str(
        r#"{ "source": "https://example.com/reef.jpg", "labels": { "album": "7" },
             "outputs": { "tiles": { "op": "pano.tiles" }, "small": { "op": "image.thumbnail", "width_px": 512 } } }"#,
    )?;
    let acceptance = Acceptance {
        id: JobId(Uuid::nil()),
        tenant: Tenant::new(TENANT)?,
        source: SourceLocation::https("https://example.com/reef.jpg"),
        region: Region::new(REGION)?,
        bucket: "outputs".into(),
        events_partition: 0,
        trace: None,
        now,
    };
    let mut job = Job::accept(spec, acceptance, &Policy::default());
    let day = std::time::Duration::from_secs(24 * 3600);
    let claim = ClaimId(Uuid::nil());
    let attempt = Attempt(1);
    let fails = |kind: u32| {
        let letter = char::from(b'a' + u8::try_from(kind % 20).unwrap_or(0));
        Failure::transient("store_away", format!("store {letter}{letter} was away"))
    };
    let (state, timer_at) = match place {
        // A tenth waits for its turn, five in a hundred for another try; one runs.
        0..10 => (State::Queued { since: now }, Some(job.deadline_at)),
        10..15 => {
            job.failure = Some(fails(place));
            let due_at = now + day / 2;
            (State::Waiting { due_at }, Some(due_at))
        }
        15 => {
            let claim = Claim {
                claim,
                attempt,
                worker: WorkerId::new("w1")?,
                heartbeat_partition: 0,
                claimed_at: now,
                renewed_at: now,
                excused_at: None,
            };
            let timer_at = now + day / 24;
            (State::Running { claims: vec![claim], placement: None }, Some(timer_at))
        }
        16..36 => {
            job.failure = Some(fails(place));
            (State::Dead { reason: DeadReason::AttemptsExhausted }, None)
        }
        36..38 => (State::Cancelled, None),
        _ => {
            let manifest = ManifestSummary {
                bucket: "outputs".into(),
                key: "m".into(),
                attempt,
                claim,
                outputs: 2,
                files: 300,
                total_bytes: 1 << 24,
                source_bytes: None,
            };
            (State::Succeeded { manifest }, None)
        }
    };
    if !matches!(state, State::Queued { .. }) {
        job.counters.last_attempt = 1;
    }
    if state.is_terminal() {
        job.finished_at = Some(now);
    }
    job.state = state;
    Ok(Template { place, job, timer_at })
}

/// What both databases are told, but for how ids are made.
struct Sql {
    /// Of the numbers 1 to `?1` (`$1`): columns `n`.
    series: &'static str,
    /// An id out of `n`, as the column has it, and as text.
    id: &'static str,
    id_text: &'static str,
    bytes: fn(&str) -> String,
}

fn statements(sql: &Sql, jobs: u32, now: Timestamp) -> Result<Vec<String>> {
    let Sql { series, id, id_text, bytes } = sql;
    let now_ms = now.as_millis();
    let begin_ms = now_ms - i64::from(jobs);
    let fill = |text: &str| text.replace("$BEGIN", &begin_ms.to_string());
    let (id, id_text) = (fill(id), fill(id_text));
    let mut statements = vec![
        "CREATE TABLE templates (place integer, state text, failure text, timer_at bigint, doc text)"
            .to_owned(),
    ];
    for place in 0..PLACES {
        let Template { place, mut job, timer_at } = template(place, now)?;
        job.tenant = Tenant::new("tenant-of-a-template")?;
        let doc = serde_json::to_string(&job)?
            .replace(&Uuid::nil().to_string(), "$ID")
            .replace("tenant-of-a-template", "$TENANT")
            .replace('\'', "''");
        let text =
            |text: Option<String>| text.map_or_else(|| "NULL".to_owned(), |it| format!("'{it}'"));
        let failure = text(job.failure.as_ref().map(Failure::fingerprint));
        let timer = timer_at.map_or_else(|| "NULL".to_owned(), |at| at.as_millis().to_string());
        let state = job.state.name();
        statements.push(format!(
            "INSERT INTO templates VALUES ({place}, '{state}', {failure}, {timer}, '{doc}')"
        ));
    }
    let tenant =
        format!("CASE WHEN n % 2 = 0 THEN '{TENANT}' ELSE 'tenant-' || (n / 100 % 99) END");
    let deadline_at = (now + std::time::Duration::from_secs(24 * 3600)).as_millis();
    // The states go in blocks of a thousand, so that each tenant has some of each.
    statements.push(format!(
        "INSERT INTO jobs (id, tenant, region, lane, state, band, deadline_at, timer_at, version, doc, failure,
            failed_at, operations, worker, attempt, ended_at)
         SELECT {id}, {tenant}, '{REGION}', 'image', state, 2, {deadline_at}, timer_at, 1,
            replace(replace(doc, '$ID', {id_text}), '$TENANT', {tenant}), failure,
            CASE WHEN failure IS NOT NULL THEN {now_ms} - n % 172800 * 1000 END,
            ',image.thumbnail,pano.tiles,', CASE WHEN state <> 'queued' THEN 'w' || (n % 50) END,
            CASE WHEN state <> 'queued' THEN 1 END,
            CASE WHEN state IN ('succeeded', 'dead', 'cancelled') THEN {begin_ms} + n END
         FROM ({}) AS series JOIN templates ON place = n / 7 % {PLACES}",
        series.replace("$MOST", &jobs.to_string()),
    ));
    statements.push(format!(
        "INSERT INTO labels (job, key, value) SELECT {id}, {}, {} FROM ({}) AS series WHERE n % 1000 = 7",
        bytes("'album'"),
        bytes("'7'"),
        series.replace("$MOST", &jobs.to_string()),
    ));
    statements.push(format!(
        "INSERT INTO progress (job, doc, changed_at)
         SELECT id, '{{\"fraction\":0.5,\"step\":\"tiles\",\"uploaded_bytes\":1}}', {now_ms} FROM jobs WHERE state = 'running'"
    ));
    statements.push(format!(
        "INSERT INTO setbacks (at, job, tenant, region, worker, version, attempt, reason, code, failure, held_ms)
         SELECT {now_ms} - n * 800, {id}, {tenant}, '{REGION}', 'w' || (n % 50), '0.' || (n % 3), 1 + n % 3,
            CASE WHEN n % 10 = 0 THEN 'lease_lapsed' ELSE 'attempt_failed' END,
            CASE WHEN n % 10 > 0 THEN 'code-' || (n % 20) END, CASE WHEN n % 10 > 0 THEN (SELECT failure FROM templates WHERE place = 16 + n % 20) END,
            1000 + n % 60000
         FROM ({}) AS series",
        series.replace("$MOST", &SETBACKS.min(jobs).to_string()),
    ));
    statements.push("DROP TABLE templates".to_owned());
    statements.push("ANALYZE".to_owned());
    Ok(statements)
}

/// The place of the job with a number.
const fn place(number: u32) -> u32 {
    number / 7 % PLACES
}

/// The newest of the tenant's jobs that failed and are tried again. The page of one that has ended asks the object store, which
/// there is none of.
fn seeded(jobs: u32, now: Timestamp) -> Result<Seeded> {
    let is_tried_again =
        |number: &u32| (10..15).contains(&place(*number)) && number.is_multiple_of(2);
    let number = (1..=jobs).rev().find(is_tried_again).ok_or_else(|| anyhow!("too few jobs"))?;
    let ms = u64::try_from(now.as_millis())? - u64::from(jobs - number);
    let newest =
        Uuid::from_u64_pair((ms << 16) | 0x7000, 0x8000_0000_0000_0000 | u64::from(number));
    let failure = template(place(number), now)?.job.failure;
    let fingerprint = failure.ok_or_else(|| anyhow!("it failed"))?.fingerprint();
    Ok(Seeded { newest: JobId(newest), fingerprint })
}

pub(crate) async fn sqlite(file: &SqliteFile, db: &dyn JobsDb, jobs: u32) -> Result<Seeded> {
    let now = db.now().await?;
    let sql = Sql {
        series: "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $MOST) SELECT n FROM numbers",
        id: "unhex(printf('%012x70008000%012x', $BEGIN + n, n))",
        id_text: "printf('%s-%s-7000-8000-%012x', substr(printf('%012x', $BEGIN + n), 1, 8), substr(printf('%012x', $BEGIN + n), 9), n)",
        bytes: ToOwned::to_owned,
    };
    for statement in statements(&sql, jobs, now)? {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&file.writer).await?;
    }
    seeded(jobs, now)
}

pub(crate) async fn postgres(url: &str, db: &dyn JobsDb, jobs: u32) -> Result<Seeded> {
    let now = db.now().await?;
    let sql = Sql {
        series: "SELECT n FROM generate_series(1::bigint, $MOST) AS n",
        id: "(lpad(to_hex($BEGIN + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid",
        id_text: "((lpad(to_hex($BEGIN + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid)::text",
        bytes: |text| format!("{text}::bytea"),
    };
    let mut connection = PgConnection::connect(url).await?;
    for statement in statements(&sql, jobs, now)? {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await?;
    seeded(jobs, now)
}
