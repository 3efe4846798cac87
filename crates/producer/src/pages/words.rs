//! Sizes, ages and names, as people say them.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::spec::Priority;

use super::language::{Language, say};

/// A size with three digits: `12.3 MB`. Powers of ten, as file managers count.
pub(super) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {}", units[unit])
}

/// How long ago: `5 s ago`, `3 min ago`, `2 h ago`, `4 days ago`.
pub(super) fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..2 => say("now", "刚刚").to_owned(),
        2..120 => say!("{seconds} s ago", "{seconds} 秒前"),
        120..7200 => say!("{} min ago", "{} 分钟前", seconds / 60),
        7200..172_800 => say!("{} h ago", "{} 小时前", seconds / 3600),
        _ => say!("{} days ago", "{} 天前", seconds / 86_400),
    }
}

/// A length of time: `340 ms`, `2.1 s`, `3 min 20 s`, `22 h 5 min`.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1000 => say!("{ms} ms", "{ms} 毫秒"),
        1000..60_000 => say!("{:.1} s", "{:.1} 秒", ms as f64 / 1000.0),
        60_000..7_200_000 => {
            say!("{} min {} s", "{} 分 {} 秒", ms / 60_000, ms % 60_000 / 1000)
        }
        _ => say!("{} h {} min", "{} 小时 {} 分", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// How long it is from one time to another.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    span(u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX))
}

/// What failures of a kind say, as people would shorten it: `the picture has … pixels, not …`.
pub(super) fn pattern(pattern: &str) -> String {
    ["<quoted>", "<url>", "<path>", "<id>", "<time>", "<n>"]
        .iter()
        .fold(pattern.to_owned(), |text, differs| text.replace(differs, "…"))
}

/// What is counted: in English, and in Chinese with its measure word.
pub(super) type Noun = [&'static str; 2];

pub(super) const JOB: Noun = ["job", "个任务"];
pub(super) const FILE: Noun = ["file", "个文件"];
pub(super) const ATTEMPT: Noun = ["attempt", "次尝试"];
pub(super) const EVENT: Noun = ["event", "个事件"];
pub(super) const WORKER: Noun = ["worker", "个工作节点"];
pub(super) const PAUSE: Noun = ["pause", "项暂停"];

/// `1 file`, `2 files`.
pub(super) fn count(number: impl Into<u64>, [english, chinese]: Noun) -> String {
    match (Language::current(), number.into()) {
        (Language::English, 1) => format!("1 {english}"),
        (Language::English, number) => format!("{number} {english}s"),
        (Language::Chinese, number) => format!("{number} {chinese}"),
    }
}

/// A state of a job.
pub(super) fn state(name: &str) -> &str {
    match name {
        "waiting" => say("waiting", "等待中"),
        "queued" => say("queued", "排队中"),
        "sent" => say("sent", "已派发"),
        "running" => say("running", "运行中"),
        "blocked" => say("blocked", "等待子任务"),
        "closing" => say("closing", "收尾中"),
        "succeeded" => say("succeeded", "成功"),
        "dead" => say("dead", "已放弃"),
        "cancelled" => say("cancelled", "已取消"),
        "expired" => say("expired", "已过期"),
        other => other,
    }
}

/// Why something happened to a job, by the name that its history keeps.
pub(super) fn reason(name: &str) -> String {
    let chinese = match name {
        "due" => "到时",
        "dispatched" => "被选中派发",
        "placed" => "消息已入队",
        "sent_again" => "重新发送",
        "claimed" => "被认领",
        "probed" => "已探测来源",
        "joined" => "另一节点也取得副本",
        "revived" => "认领恢复",
        "renewed" => "续租",
        "excused" => "租约重新计时",
        "released_unstarted" => "未开始即交还",
        "released" => "交还",
        "dropped" => "节点拒绝启动",
        "attempt_failed" => "尝试失败",
        "attempt_timed_out" => "尝试超时",
        "lease_lapsed" => "租约失效",
        "abandoned" => "节点回来时已无认领",
        "claim_ended" => "其中一个认领结束",
        "still_queued" => "仍在队列中",
        "copy_gone" => "队列中的消息已消失",
        "message_lost" => "消息丢失",
        "cancel_requested" => "请求取消",
        "deadline_passed" => "超过截止时间",
        "seal_tried" => "再次尝试封存",
        "sealed" => "已封存",
        "cancelled" => "已取消",
        "expired" => "已过期",
        "succeeded" => "成功",
        "cancel_lost_race" => "取消过晚，结果已存在",
        "manifest_found" => "结果已存在",
        "replayed" => "重新运行",
        "brought_forward" => "提前运行",
        "release_requested" => "请求交还",
        "hopped" => "转到其他区域",
        "expanded" => "拆分为子任务",
        "still_blocked" => "子任务尚未结束",
        "children_ended" => "子任务已结束",
        "child_failed" => "子任务失败",
        "reprioritised" => "调整优先级",
        other => return other.replace('_', " "),
    };
    match Language::current() {
        Language::English => name.replace('_', " "),
        Language::Chinese => chinese.to_owned(),
    }
}

/// A band of the queue.
pub(super) fn band(priority: Priority) -> &'static str {
    match priority {
        Priority::High => say("high", "高优先级"),
        Priority::Normal => say("normal", "普通优先级"),
        Priority::Low => say("low", "低优先级"),
    }
}

/// What to call what a job was made from: the last part of its path, or the label `file` of an upload, which has
/// no path.
pub(super) fn source(source: &Source, labels: &BTreeMap<String, String>) -> String {
    if let Source::Upload(_) = source {
        return labels
            .get("file")
            .map_or_else(|| say("an upload", "上传的文件").to_owned(), String::clone);
    }
    let address = address(source);
    let name = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    name.to_owned()
}

/// Where a source lies, without a query: that of a presigned URL is a secret.
pub(super) fn address(source: &Source) -> String {
    match source {
        Source::Https(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        Source::S3 { .. } | Source::Upload(_) | Source::File(_) | Source::Nothing => {
            source.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use panofleet_job_schema::job::State as JobState;
    use panofleet_job_schema::lifecycle::Reason;
    use serde_json::Value;

    use super::super::language::LANGUAGE;
    use super::*;

    #[test]
    fn a_pattern_is_shortened_where_cases_differ() {
        let said = "output <quoted>: <n>×<n> is no <id> of <url>, <path> at <time>";
        assert_eq!(pattern(said), "output …: …×… is no … of …, … at …");
    }

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (12_345, "12.3 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (4_200_000_000, "4.20 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn ages_and_spans_are_short() {
        for (seconds, expected) in [
            (0, "now"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7200, "2 h ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), expected);
        }
        for (ms, expected) in [
            (999, "999 ms"),
            (2_100, "2.1 s"),
            (200_000, "3 min 20 s"),
            (7_199_000, "119 min 59 s"),
            (79_500_000, "22 h 5 min"),
        ] {
            assert_eq!(span(ms), expected);
        }
    }

    #[tokio::test]
    async fn every_state_and_reason_has_chinese_words() {
        let is_chinese = |text: &str| !text.is_empty() && !text.is_ascii();
        LANGUAGE
            .scope(Language::Chinese, async {
                for name in JobState::NAMES {
                    assert!(is_chinese(state(name)), "{name}");
                }
                let reasons = schemars::schema_for!(Reason);
                let reasons = reasons.get("oneOf").and_then(Value::as_array).unwrap();
                let names = reasons.iter().filter_map(|one| one["const"].as_str());
                let names: Vec<&str> = names.collect();
                assert!(names.contains(&"lease_lapsed"), "{names:?}");
                for name in names {
                    assert!(is_chinese(&reason(name)), "{name}");
                }
            })
            .await;
    }

    #[test]
    fn a_source_is_called_by_its_file() {
        for (text, expected) in [
            ("https://example.com/a/b.jpg?signature=secret", "b.jpg"),
            ("s3://photos/2026/reef.tif", "reef.tif"),
            ("upload:01890a5d-ac96-774b-bcce-b302099a8057", "an upload"),
        ] {
            assert_eq!(source(&text.parse().unwrap(), &BTreeMap::new()), expected);
        }
        let labels = BTreeMap::from([("file".to_owned(), "reef.jpg".to_owned())]);
        let upload = "upload:01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(source(&upload, &labels), "reef.jpg");
    }
}
