//! What is accepted as a CloudEvent, and what is said of what is not.

use ringfence_model::LineageKey;

use super::*;

fn key() -> LineageKey {
    LineageKey {
        number: 1,
        secret: [7; 32],
        since_us: 0,
    }
}

fn taker() -> Taker {
    Taker {
        keys: Arc::new(Keys::of(vec![key()]).unwrap()),
        of_request: None,
        tenant: "acme".parse().unwrap(),
        now_us: 1_767_225_600_000_000,
    }
}

fn structured(body: &str) -> Result<Event, Problem> {
    let mut events = events(
        Form::Structured,
        &HeaderMap::new(),
        body.as_bytes(),
        taker(),
    )?;
    Ok(events.remove(0))
}

fn batch(body: &str) -> Result<Vec<Event>, Problem> {
    Ok(events(
        Form::Batch,
        &HeaderMap::new(),
        body.as_bytes(),
        taker(),
    )?)
}

fn with(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"e1","source":"/crm","type":"t"{members}}}"#)
}

/// Code, place and sentence of a problem, as a client reads them.
fn said(problem: &Problem) -> (String, String, String) {
    let json = serde_json::to_value(problem.body()).unwrap();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("at"), text("detail"))
}

#[test]
fn an_event_keeps_what_was_sent() {
    let event = structured(&with(
        r#","subject":"c-\u0031","time":"2026-01-01T00:00:00Z","data":{"b": 1.0, "a":[1e2]},"ext":{"x":[1]}"#,
    ))
    .unwrap();
    assert_eq!(event.data.as_str(), r#"{"b": 1.0, "a":[1e2]}"#);
    assert_eq!(event.subject.as_deref(), Some("c-1"));
    assert_eq!(event.time, "2026-01-01T00:00:00Z");
    assert_eq!(event.id, EventId::root(&event.tenant, "/crm", "e1"));
    assert_eq!(event.lineage, Lineage::root(event.id));
}

#[test]
fn absent_attributes() {
    let event = structured(&with(r#","subject":null,"time":null"#)).unwrap();
    assert_eq!(event.subject, None);
    assert_eq!(event.time, "2026-01-01T00:00:00Z");
    assert_eq!(event.data.as_str(), "null");
}

#[test]
fn data_of_all_kinds() {
    for (members, data) in [
        (r#","data":null"#, "null"),
        (r#","data":"text""#, r#""text""#),
        (
            r#","data":{"a":1},"datacontenttype":"application/json""#,
            r#"{"a":1}"#,
        ),
        (
            r#","data":[1],"datacontenttype":"application/vnd.x+json; charset=utf-8""#,
            "[1]",
        ),
        (r#","data":"hi","datacontenttype":"text/plain""#, r#""hi""#),
        (r#","data_base64":"eyJhIjoxfQ==""#, r#"{"a":1}"#),
        (
            r#","data_base64":"aGk=","datacontenttype":"text/plain""#,
            r#""hi""#,
        ),
        (r#","datacontenttype":"image/png""#, "null"),
    ] {
        let event = structured(&with(members)).map_err(|problem| said(&problem));
        assert_eq!(event.unwrap().data.as_str(), data, "{members}");
    }
}

#[test]
fn refusals_say_what_and_where() {
    let long = format!(r#","subject":"{}""#, "x".repeat(10_000));
    let deep = format!(r#","data":{}1{}"#, "[".repeat(200), "]".repeat(200));
    for (body, code, at, part) in [
        ("", "invalid-json", "", "not JSON"),
        ("{", "invalid-json", "", "EOF"),
        ("[]", "invalid-event", "", "a CloudEvent"),
        ("{} x", "invalid-json", "", "trailing"),
        ("{}", "invalid-event", "specversion", "missing"),
        (
            r#"{"specversion":"0.3","id":"a","source":"b","type":"c"}"#,
            "invalid-event",
            "specversion",
            "0.3",
        ),
        (
            r#"{"specversion":"1.0","source":"b","type":"c"}"#,
            "invalid-event",
            "id",
            "missing",
        ),
        (
            r#"{"specversion":"1.0","id":"","source":"b","type":"c"}"#,
            "invalid-event",
            "id",
            "empty",
        ),
        (
            r#"{"specversion":"1.0","id":7,"source":"b","type":"c"}"#,
            "invalid-event",
            "id",
            "a string",
        ),
        (&with(r#","id":"again""#), "invalid-event", "id", "twice"),
        (
            &with(r#","data":1,"data":2"#),
            "invalid-event",
            "data",
            "twice",
        ),
        (&with(&long), "invalid-event", "subject", "10000 bytes"),
        (&with(&deep), "invalid-event", "data", "deep"),
        (
            &with(r#","time":"yesterday""#),
            "invalid-event",
            "time",
            "RFC 3339",
        ),
        (
            &with(r#","data":"x","datacontenttype":"application/xml""#),
            "unsupported-data",
            "datacontenttype",
            "xml",
        ),
        (
            &with(r#","data":1,"data_base64":"MQ==""#),
            "invalid-event",
            "data_base64",
            "not both",
        ),
        (
            &with(r#","data_base64":"!""#),
            "invalid-event",
            "data_base64",
            "base64",
        ),
        (
            &with(r#","data_base64":"eA==""#),
            "invalid-event",
            "data_base64",
            "not JSON",
        ),
        (
            &with(r#","subject":"a\u0000b""#),
            "invalid-event",
            "subject",
            "control",
        ),
    ] {
        let (given, place, detail) = said(&structured(body).unwrap_err());
        assert_eq!(
            (given.as_str(), place.as_str()),
            (code, at),
            "{body:.80}: {detail}"
        );
        assert!(detail.contains(part), "{body:.80}: {detail}");
    }
}

#[test]
fn one_bad_event_refuses_its_batch_and_is_named() {
    let good = with("");
    assert_eq!(batch("[]").unwrap().len(), 0);
    assert_eq!(batch(&format!("[{good},{good}]")).unwrap().len(), 2);
    for (bad, at) in [
        ("{}", "events[1].specversion"),
        ("7", "events[1]"),
        (
            r#"{"specversion":"1.0","id":"x","source":"s"}"#,
            "events[1].type",
        ),
        (
            r#"{"specversion":"1.0","id":"x","source":5}"#,
            "events[1].source",
        ),
    ] {
        let problem = batch(&format!("[{good},{bad},{good}]")).unwrap_err();
        assert_eq!(said(&problem).1, at, "{bad}");
    }
}

#[test]
fn a_batch_is_bounded() {
    let of = |count: usize| format!("[{}]", vec![with(""); count].join(","));
    assert_eq!(
        batch(&of(BATCH_EVENTS_MAX)).unwrap().len(),
        BATCH_EVENTS_MAX
    );
    let problem = batch(&of(BATCH_EVENTS_MAX + 1)).unwrap_err();
    assert_eq!(problem.code(), "batch-too-large");
}

fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

const BINARY: [(&str, &str); 4] = [
    ("ce-specversion", "1.0"),
    ("ce-id", "e%201"),
    ("ce-source", "/crm"),
    ("ce-type", "t"),
];

#[test]
fn binary_form() {
    let read = |more: &[(&'static str, &'static str)], body: &[u8]| {
        let headers = headers(&[&BINARY[..], more].concat());
        assert_eq!(form(&headers).unwrap(), Form::Binary);
        events(Form::Binary, &headers, body, taker())
            .map(|mut events| events.remove(0))
            .map_err(|refusal| said(&refusal.into()))
    };
    let event = read(&[("content-type", "application/json")], br#"{"a": 1}"#).unwrap();
    assert_eq!(
        (event.ce_id.as_str(), event.data.as_str()),
        ("e 1", r#"{"a": 1}"#)
    );
    let event = read(
        &[("content-type", "text/plain"), ("ce-subject", "\"c 1\"")],
        b"hi",
    )
    .unwrap();
    assert_eq!(event.data.as_str(), r#""hi""#);
    assert_eq!(event.subject.as_deref(), Some("c 1"));
    assert_eq!(read(&[], b"").unwrap().data.as_str(), "null");
    for (more, body, code, at) in [
        (&[("ce-id", "again")][..], &b"1"[..], "invalid-event", "id"),
        (
            &[("content-type", "image/png")][..],
            b"1",
            "unsupported-data",
            "datacontenttype",
        ),
        (&[][..], b"{", "invalid-event", "data"),
        (&[][..], b"\xff", "invalid-event", "data"),
    ] {
        let (given, place, _) = read(more, body).unwrap_err();
        assert_eq!((given.as_str(), place.as_str()), (code, at));
    }
}

#[test]
fn forms_are_told_apart_by_their_headers() {
    for (list, expected) in [
        (
            &[(
                "content-type",
                "application/cloudevents+json; charset=utf-8",
            )][..],
            Ok(Form::Structured),
        ),
        (
            &[("content-type", "Application/CloudEvents-Batch+JSON")][..],
            Ok(Form::Batch),
        ),
        (
            &[("content-type", "application/json"), ("ce-id", "x")][..],
            Ok(Form::Binary),
        ),
        (
            &[("content-type", "application/json")][..],
            Err("unsupported-media-type"),
        ),
        (
            &[
                ("content-type", "application/cloudevents+xml"),
                ("ce-id", "x"),
            ][..],
            Err("unsupported-media-type"),
        ),
        (&[][..], Err("unsupported-media-type")),
    ] {
        let form = form(&headers(list)).map_err(|problem| problem.code());
        assert_eq!(form, expected, "{list:?}");
    }
}
