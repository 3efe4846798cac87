//! What comes and goes.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;

use crate::harness::Fleet;

#[tokio::test]
async fn an_overview_counts_what_came_and_went() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    fleet.post_by(&acme, "/v1/jobs", &crate::harness::spec(&json!({}))).await.ok();
    for ends in [true, true, false] {
        let id = fleet.submitted(&json!({})).await;
        if ends {
            fleet.reject(id).await;
        }
    }
    let all = fleet.get("/v1/overview").await.ok();
    let queue = all["queues"].as_array().unwrap().iter().find(|it| it["lane"] == "image").unwrap();
    for (field, expected) in [("accepted", 4), ("failed", 2), ("succeeded", 0), ("queued", 2)] {
        assert_eq!(queue[field], expected, "{field}: {all}");
    }
    assert!(queue["age_p99_s"].as_u64() >= queue["age_p50_s"].as_u64(), "{queue}");
    assert_eq!(queue["running"], 0);
    let sum = |name: &str| {
        let counts = all["course"][name].as_array().unwrap();
        assert_eq!(counts.len(), 30);
        counts.iter().map(|count| count.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("accepted"), sum("ended")), (4, 2));
    let tenants: Vec<_> = (all["tenants"].as_array().unwrap().iter())
        .map(|it| (it["tenant"].as_str().unwrap().to_owned(), it["queued"].as_u64().unwrap()))
        .collect();
    assert_eq!(tenants, [("acme".to_owned(), 1), ("default".to_owned(), 1)]);
    // A tenant sees its own, and nothing of the fleet.
    let own = fleet.get_by(&acme, "/v1/overview").await.ok();
    assert_eq!(own["queues"].as_array().unwrap().len(), 1, "{own}");
    assert_eq!(
        (&own["queues"][0]["accepted"], &own["queues"][0]["queued"]),
        (&json!(1), &json!(1))
    );
    assert!(own.get("tenants").is_none() && own["queues"][0].get("running").is_none(), "{own}");
    let page = fleet.get("/overview").await.text();
    for words in ["In the last hour 4 jobs came and 2 ended", "/v1/pauses/tenant/acme", ">image<"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = fleet.get_by(&acme, "/overview").await.text();
    assert!(
        page.contains("In the last hour 1 job came and 0 ended") && !page.contains("/v1/pauses/"),
        "{page}"
    );
}

#[tokio::test]
async fn pages_are_told_that_something_changed() {
    let fleet = Fleet::start().await;
    let response = fleet.request(reqwest::Method::GET, "/v1/changes").send().await.unwrap();
    let mut news = response.bytes_stream();
    for _ in 0..2 {
        fleet.submitted(&json!({})).await;
        let told = tokio::time::timeout(Duration::from_secs(10), news.next()).await;
        let told = told.expect("it is told soon").unwrap().unwrap();
        assert!(String::from_utf8_lossy(&told).starts_with("event: changed"), "{told:?}");
    }
}

#[tokio::test]
async fn every_page_is_there_in_chinese() {
    let fleet = Fleet::start().await;
    fleet.populate().await;
    let dead = fleet.submitted(&json!({ "labels": { "album": "42" } })).await;
    fleet.reject(dead).await;
    let ask = async |path: &str, name: &'static str, value: &'static str| {
        let request = fleet.request(reqwest::Method::GET, path).header(name, value);
        crate::harness::Answer::of(request.send().await.unwrap()).await
    };
    for (path, words) in [
        ("/overview", "一小时内到期的重试"),
        ("/?state=dead", "已放弃"),
        (&format!("/view/{dead}"), "按此重新运行"),
        ("/failures", "输入或请求有问题"),
        ("/questions", "即将进行的重试"),
        ("/questions/time-lost", "时间范围"),
        ("/fleet", "占用槽位"),
        ("/schedules", "定时任务"),
        ("/webhooks", "任务结束时不会通知任何人"),
        ("/dead-letters", "死信"),
        ("/audit", "审计日志"),
        ("/api", "基于 HTTP 的 JSON"),
    ] {
        let page = ask(path, "accept-language", "zh-CN,zh;q=0.9,en;q=0.5").await;
        assert_eq!(page.status, 200, "{path}");
        let page = page.text();
        assert!(page.contains("lang=\"zh-Hans\"") && page.contains(words), "{path}: {page}");
        let page = ask(path, "cookie", "a=b; panofleet_language=en").await.text();
        assert!(page.contains("lang=\"en\"") && !page.contains(words), "{path}: {page}");
    }
    let chosen = ask("/language/zh", "referer", "https://other.example/failures?a=b").await;
    assert_eq!((chosen.status.as_u16(), chosen.header("location")), (303, Some("/failures?a=b")));
    let cookie = chosen.header("set-cookie").unwrap();
    assert!(cookie.starts_with("panofleet_language=zh; Path=/"), "{cookie}");
}
