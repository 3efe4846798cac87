use panofleet_job_schema::runner_protocol::SandboxReport;
use serde_json::json;

use super::*;

const SANDBOX: SandboxReport = SandboxReport { landlock: true, seccomp: true };

fn name(text: &str) -> OutputName {
    OutputName::new(text).unwrap()
}

fn frame(json: serde_json::Value) -> Frame {
    serde_json::from_value(json).unwrap()
}

fn file(output: &str, path: &str) -> Frame {
    frame(
        json!({ "frame": "file", "output": output, "path": path, "bytes": 3, "content_type": "image/jpeg" }),
    )
}

fn done(output: &str, entry: &str) -> Frame {
    let entry_points = if entry.is_empty() { json!({}) } else { json!({ "viewer": entry }) };
    frame(
        json!({ "frame": "output_done", "output": output, "entry_points": entry_points, "warnings": ["odd"] }),
    )
}

fn probed() -> Frame {
    frame(json!({ "frame": "probed", "media": { "container": "jpeg", "bytes": 3 } }))
}

fn end() -> Frame {
    Frame::Done { steps: vec![StepTiming { step: "decode".into(), wall_ms: 1 }] }
}

fn conversation() -> Conversation {
    let operation: Operation = serde_json::from_value(json!({ "op": "media.probe" })).unwrap();
    Conversation::new(&BTreeMap::from([(name("probe"), operation)]), true)
}

fn record(path: &str) -> FileRecord {
    FileRecord {
        path: path.into(),
        bytes: 3,
        sha256: String::new(),
        content_type: "image/jpeg".into(),
    }
}

#[test]
fn a_whole_conversation_makes_a_product() {
    let mut talk = conversation();
    assert_eq!(talk.hear(Frame::Started { sandbox: SANDBOX }).unwrap(), Heard::Noted);
    assert!(matches!(talk.hear(probed()).unwrap(), Heard::Probed(media) if media.bytes == 3));
    for path in ["b.jpg", "0,0,9,9/9,9/0.jpg"] {
        assert!(matches!(talk.hear(file("probe", path)).unwrap(), Heard::File(_)));
        talk.stored(&name("probe"), record(path));
    }
    talk.hear(done("probe", "b.jpg")).unwrap();
    talk.hear(end()).unwrap();
    let product = talk.product().unwrap();
    let output = &product.outputs[&name("probe")];
    let paths: Vec<_> = output.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!((paths, output.total_bytes), (vec!["0,0,9,9/9,9/0.jpg", "b.jpg"], 6));
    assert_eq!(output.op, "media.probe");
    assert_eq!(product.warnings, ["probe: odd"]);
}

#[test]
fn a_conversation_without_an_end_makes_nothing() {
    let mut talk = conversation();
    talk.hear(Frame::Started { sandbox: SANDBOX }).unwrap();
    assert_eq!(talk.product(), None);
}

#[test]
fn what_breaks_the_protocol_is_a_bug() {
    let started = || Frame::Started { sandbox: SANDBOX };
    let word = "x".repeat(WORD_BYTES_MAX + 1);
    for (frames, expected) in [
        (vec![probed()], "before `started`"),
        (
            vec![Frame::Started { sandbox: SandboxReport { landlock: false, seccomp: true } }],
            "less than the sandbox",
        ),
        (vec![started(), file("tiles", "a")], "`tiles` was not asked for"),
        (vec![started(), file("probe", "../a")], "`../a` is no path"),
        (vec![started(), file("probe", "/etc/passwd")], "no path"),
        (vec![started(), file("probe", "a//b")], "no path"),
        (vec![started(), file("probe", "a/./b")], "no path"),
        (vec![started(), file("probe", "a\\b")], "no path"),
        (vec![started(), file("probe", "")], "no path"),
        (vec![started(), file("probe", &"a/".repeat(300))], "no path"),
        (vec![started(), file("probe", "a"), file("probe", "a")], "came twice"),
        (vec![started(), done("probe", ""), file("probe", "a")], "goes on after it was done"),
        (vec![started(), done("probe", "missing")], "is no file of it"),
        (vec![started(), done("probe", ""), end()], "without having probed"),
        (vec![started(), probed(), end()], "done without output `probe`"),
        (vec![started(), probed(), done("probe", ""), end(), probed()], "after the last one"),
        (vec![started(), Frame::Progress { fraction: 1.5, step: "x".into() }], "not within [0, 1]"),
        (
            vec![started(), Frame::Progress { fraction: f64::NAN, step: "x".into() }],
            "not within [0, 1]",
        ),
        (vec![started(), Frame::Progress { fraction: 0.5, step: word }], "a step must be"),
    ] {
        let mut talk = conversation();
        let failure = frames.into_iter().find_map(|frame| talk.hear(frame).err()).expect(expected);
        assert_eq!((failure.class, failure.code.as_str()), (ErrorClass::Bug, "runner_protocol"));
        assert!(failure.message.contains(expected), "{expected}: {}", failure.message);
    }
}

#[test]
fn progress_that_repeats_itself_is_no_movement() {
    let mut talk = conversation();
    talk.hear(Frame::Started { sandbox: SANDBOX }).unwrap();
    let mut at =
        |fraction, step: &str| talk.hear(Frame::Progress { fraction, step: step.into() }).unwrap();
    assert!(matches!(at(0.0, "decode"), Heard::Moved { .. }));
    assert_eq!(at(0.0, "decode"), Heard::Noted);
    assert_eq!(at(0.5, "tiles"), Heard::Moved { fraction: 0.5, step: "tiles".into() });
    assert_eq!(at(0.4, "tiles"), Heard::Noted);
}

#[test]
fn a_failure_of_the_child_is_kept_within_its_limits() {
    let mut talk = conversation();
    let failure = Failure {
        class: ErrorClass::Rejected,
        code: "Not A Code".into(),
        message: "m".repeat(1 << 20),
        detail: Some("d".repeat(1 << 20)),
    };
    let Heard::Failed(checked) = talk.hear(Frame::Failed { failure }).unwrap() else {
        panic!("no failure")
    };
    assert_eq!((checked.class, checked.code.as_str()), (ErrorClass::Rejected, "runner_failed"));
    assert!(checked.message.len() <= 2048 && checked.detail.unwrap().len() <= 4096);
}
