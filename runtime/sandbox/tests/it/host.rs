//! What a rule may ask the host.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ringfence_model::{Json, Limits, LogLevel, Recalled, StopCode};
use ringfence_sandbox::{HOST_CALL_FUEL, Recall, RecallError};

use crate::guest::{Given, Guest, prepare, sandbox};

#[derive(Default)]
struct Values {
    values: BTreeMap<&'static str, &'static str>,
    asked: AtomicU32,
}

impl Recall for Values {
    fn recall(&self, key: &str) -> Result<Option<Json>, RecallError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.values.get(key) {
            Some(&"broken") => Err(RecallError("the disk is gone".into())),
            Some(text) => Ok(Some(Json::parse(text).unwrap())),
            None => Ok(None),
        }
    }
}

/// Recalls these keys in order, each into the 12 bytes at 800.
fn recalling(keys: &[&str]) -> Guest {
    let mut guest = Guest::new();
    let calls: String = keys
        .iter()
        .map(|key| {
            let (at, len) = guest.text(key);
            format!("(call $recall (i32.const {at}) (i32.const {len}) (i32.const 800))")
        })
        .collect();
    guest.handling(&format!("{calls} (i32.const 1024)"))
}

fn given(values: &Arc<Values>) -> Given {
    Given {
        recall: Arc::clone(values) as Arc<dyn Recall>,
        ..Given::default()
    }
}

#[test]
fn each_key_is_asked_once_and_recorded() {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &recalling(&["a", "b", "a", "b"]).core());
    let values = Arc::new(Values {
        values: [("a", "[1]")].into(),
        ..Values::default()
    });
    let report = given(&values).run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
    assert_eq!(values.asked.load(Ordering::Relaxed), 2);
    let recalled = |key: &str, value: Option<&str>| Recalled {
        key: key.into(),
        value: value.map(|value| Json::parse(value).unwrap()),
    };
    assert_eq!(
        report.recalled,
        [recalled("a", Some("[1]")), recalled("b", None)]
    );
}

#[test]
fn a_recalled_value_is_what_was_remembered() {
    let sandbox = sandbox();
    let guest = recalling(&["a"]).with("");
    // The option's tag, its text's length, its first byte.
    let body = "(call $recall (i32.const 1036) (i32.const 1) (i32.const 800))
        (if (i32.ne (i32.load8_u (i32.const 800)) (i32.const 1)) (then (unreachable)))
        (if (i32.ne (i32.load (i32.const 808)) (i32.const 3)) (then (unreachable)))
        (if (i32.ne (i32.load8_u (i32.load (i32.const 804))) (i32.const 91)) (then (unreachable)))
        (i32.const 1024)";
    let prepared = prepare(&sandbox, &guest.handling(body).core());
    let values = Arc::new(Values {
        values: [("a", "[1]")].into(),
        ..Values::default()
    });
    let report = given(&values).run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
}

#[test]
fn what_cannot_be_read_is_nobodys_stop() {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &recalling(&["a"]).core());
    let values = Arc::new(Values {
        values: [("a", "broken")].into(),
        ..Values::default()
    });
    let error = given(&values).try_run(&sandbox, &prepared).unwrap_err();
    assert_eq!(error, RecallError("the disk is gone".into()));
}

#[test]
fn recalls_are_bounded() {
    let sandbox = sandbox();
    let long = "k".repeat(257);
    let keys: Vec<_> = (0..257).map(|index| format!("k{index}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for (guest, says) in [
        (recalling(&[&long]), "a key of 257 bytes"),
        (recalling(&keys), "more than 256 different keys"),
    ] {
        let prepared = prepare(&sandbox, &guest.core());
        let report = given(&Arc::default()).run(&sandbox, &prepared);
        let stop = report.outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::Trap);
        assert!(stop.message.contains(says), "{}", stop.message);
    }
}

#[test]
fn the_clock_stands_at_the_events_acceptance() {
    let sandbox = sandbox();
    let guest = Guest::new().handling(
        "(if (i64.ne (call $now) (i64.const 1767225600123)) (then (unreachable)))
         (i32.const 1024)",
    );
    let prepared = prepare(&sandbox, &guest.core());
    let report = Given::default().run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
    assert!(report.asked_now && !report.asked_random);
}

#[test]
fn a_log_is_cut_at_its_limit() {
    let sandbox = sandbox();
    let mut guest = Guest::new();
    let (at, len) = guest.text("0123456789");
    let call =
        |level| format!("(call $log (i32.const {level}) (i32.const {at}) (i32.const {len}))");
    let guest = guest.handling(&format!("{} {} (i32.const 1024)", call(0), call(2)));
    let prepared = prepare(&sandbox, &guest.core());
    let limits = Limits {
        log_bytes: 14,
        ..Limits::default()
    };
    let report = Given::limits(limits).run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
    assert_eq!(report.usage.log_bytes, 20);
    assert!(report.log.truncated);
    let lines: Vec<_> = report
        .log
        .lines
        .iter()
        .map(|l| (l.level, &*l.message))
        .collect();
    assert_eq!(
        lines,
        [(LogLevel::Debug, "0123456789"), (LogLevel::Warn, "0123")]
    );
}

#[test]
fn host_calls_cost_fuel() {
    let sandbox = sandbox();
    let fuel = |body: &str| {
        let guest = Guest::new().handling(&format!("{body} (i32.const 1024)"));
        let prepared = prepare(&sandbox, &guest.core());
        let report = Given::default().run(&sandbox, &prepared);
        assert_eq!(report.outcome.unwrap(), []);
        report.usage.fuel
    };
    let nothing = fuel("");
    assert!(fuel("(drop (call $random))") >= nothing + HOST_CALL_FUEL);
    let short = fuel("(call $log (i32.const 0) (i32.const 0) (i32.const 10))");
    let long = fuel("(call $log (i32.const 0) (i32.const 0) (i32.const 60000))");
    assert_eq!(long - short, 59_990);
}
