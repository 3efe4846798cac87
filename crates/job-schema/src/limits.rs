//! Every limit that is not a setting, in one place. A value past its limit is refused with a message
//! that names the limit; nothing is cut off silently.

/// Outputs that one job may name.
pub const OUTPUTS_MAX: usize = 32;
/// Bytes of an output's name: lower-case letters, digits, `-` and `_`.
pub const OUTPUT_NAME_BYTES_MAX: usize = 40;
/// Labels of one job.
pub const LABELS_MAX: usize = 32;
/// Bytes of a label's key.
pub const LABEL_KEY_BYTES_MAX: usize = 64;
/// Bytes of a label's value.
pub const LABEL_VALUE_BYTES_MAX: usize = 256;
/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Bytes of a source string, URLs included.
pub const SOURCE_BYTES_MAX: usize = 2048;
/// Bytes of a region, tenant or worker name.
pub const NAME_BYTES_MAX: usize = 63;
/// Bytes of a submitted job as JSON.
pub const JOB_BODY_BYTES_MAX: usize = 256 * 1024;
/// Jobs of one request.
pub const BATCH_JOBS_MAX: usize = 10_000;
/// Bytes of a request of many jobs.
pub const BATCH_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a message, event or control record on the bus.
pub const ENVELOPE_BYTES_MAX: usize = 900 * 1024;
/// Bytes of one frame on the pipe between worker and runner.
pub const RUNNER_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a source file, unless the configuration says less.
pub const SOURCE_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Files that one output may consist of.
pub const OUTPUT_FILES_MAX: usize = 200_000;
/// Charged attempts that a job may ask for.
pub const ATTEMPTS_MAX: u32 = 50;
/// Lost claims (a worker that fell silent) after which a job is dead.
pub const LOSSES_MAX: u32 = 5;
/// Crashes of the child (signal, out of memory, panic) after which a job is dead: a poison job.
pub const CRASHES_MAX: u32 = 3;
/// Times that a claim may be let go before it started, or while a worker drains.
pub const RELEASES_MAX: u32 = 20;
/// Ended claims that a job remembers, so that a late heartbeat cannot bring one back.
pub const ENDED_CLAIMS_MAX: usize = 64;
/// Children that one job may be split into: their ids have twelve bits for it, and a join's message names each.
pub const CHILDREN_MAX: usize = 1000;
/// Regions that a job may name.
pub const REGIONS_MAX: usize = 16;
/// Shortest and longest wait in a region that a job may ask for, in seconds.
pub const HOP_AFTER_S: std::ops::RangeInclusive<u64> = 10..=24 * 3600;
/// Changes of region that a job remembers: what is said of attempts from before counts no more.
pub const SENT_TO_MAX: usize = 16;
/// Claims that may hold one job at once; each copy of a message can make one.
pub const CLAIMS_MAX: usize = 16;
/// Shortest and longest attempt timeout that a job may ask for, in seconds.
pub const TIMEOUT_S: std::ops::RangeInclusive<u64> = 1..=24 * 3600;
/// Shortest and longest deadline that a job may ask for, in seconds.
pub const DEADLINE_S: std::ops::RangeInclusive<u64> = 1..=14 * 24 * 3600;
/// How far ahead a job may be asked to start, in seconds.
pub const START_AHEAD_S_MAX: u64 = 30 * 24 * 3600;
/// Width or height of a source picture, in pixels: what JPEG can say.
pub const PICTURE_SIDE_PX_MAX: u32 = 65_535;
/// Pixels of a source picture that the runner is willing to hold in memory.
pub const PICTURE_PIXELS_MAX: u64 = 300_000_000;
/// Width or height of a video's frame, in pixels.
pub const VIDEO_SIDE_PX_MAX: u32 = 16_384;
/// Sizes that one video may be streamed in.
pub const RUNGS_MAX: usize = 8;
/// Play time of a video that is cut into segments, in seconds.
pub const LADDER_S_MAX: u64 = 12 * 3600;
/// Small frames of one video.
pub const SPRITES_MAX: u32 = 2000;
/// Width of a cube face, in pixels: 16 tiles of 768. A picture whose sphere would need more is made smaller.
pub const FACE_SIDE_PX_MAX: u32 = 12_288;
/// Longest side of a picture that is made of a panorama.
pub const RENDER_SIDE_PX_MAX: u32 = 32_768;
/// Bytes of the last words of a crashed child that are kept.
pub const STDERR_TAIL_BYTES_MAX: usize = 4 * 1024;
/// Things that may be paused at once.
pub const PAUSES_MAX: usize = 1000;
/// Webhooks of one tenant.
pub const WEBHOOKS_MAX: usize = 32;
/// Bytes of a webhook's address.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2048;
/// Bytes of the reason of a pause or a drain.
pub const PAUSE_REASON_BYTES_MAX: usize = 512;
/// Longest grace of a worker that is drained, in seconds.
pub const DRAIN_GRACE_S_MAX: u64 = 7 * 24 * 3600;
/// Bytes of the name of an API key.
pub const KEY_NAME_BYTES_MAX: usize = 100;
/// Schedules of one tenant.
pub const SCHEDULES_MAX: usize = 1000;
/// Bytes of a cron expression, and of a time zone's name.
pub const CRON_BYTES_MAX: usize = 128;
/// Missed ticks that a schedule may make up for.
pub const CATCH_UP_TICKS_MAX: u32 = 100;
/// Bytes of a message for people in a failure.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 2 * 1024;
