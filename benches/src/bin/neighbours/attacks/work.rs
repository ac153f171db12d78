//! Attacks by what somebody waits for: uploads and evaluations.

use ringfence_benches::rule::guest;

use super::{Gun, Tally};
use crate::http::request;

/// Between two uploads of one thread, if it did not have to wait.
const UPLOAD_US: u64 = 100_000;
/// Between two evaluations of one thread, if it did not have to wait.
const EVALUATION_US: u64 = 40_000;
/// Names of rules that uploads go to: a rule keeps a bounded number of versions.
const RULES: u64 = 100;
/// A custom section of a component: its id, and its name with the length before.
const SECTION: u8 = 0;
const NAME: &[u8] = b"\x04salt";

/// Uploads, each of which is another component, so that it has to be compiled.
pub(super) fn uploads(gun: &Gun<'_>, tally: &mut Tally) {
    // It was read when the bench began.
    let Ok(component) = guest("label-issue") else {
        return tally.count("no component");
    };
    gun.paced(UPLOAD_US, |client, turn| {
        let salt = (gun.number as u64) << 48 | (gun.thread as u64) << 40 | turn;
        let path = gun
            .tenant
            .path(&format!("/rules/r-{}/versions", turn % RULES));
        let token = &gun.tenant.token;
        let body = salted(&component, salt);
        let request = request("POST", &path, token, "application/wasm", &body);
        tally.answered(client.ask(&request), 0);
    });
}

/// The same component with other bytes.
fn salted(component: &[u8], salt: u64) -> Vec<u8> {
    let mut salted = component.to_vec();
    let salt = salt.to_le_bytes();
    // Less than 128, so one byte tells it.
    let length = (NAME.len() + salt.len()) as u8;
    salted.extend_from_slice(&[SECTION, length]);
    salted.extend_from_slice(NAME);
    salted.extend_from_slice(&salt);
    salted
}

/// Evaluations of a rule that never returns.
pub(super) fn evaluations(gun: &Gun<'_>, tally: &mut Tally) {
    let path = gun.tenant.path("/evaluate");
    let body = br#"{"specversion":"1.0","id":"e","source":"/storm","type":"conversation.created","data":{}}"#;
    let media = "application/cloudevents+json";
    let request = request("POST", &path, &gun.tenant.token, media, body);
    gun.paced(EVALUATION_US, |client, _| {
        tally.answered(client.ask(&request), 0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salted_component_is_the_same_with_other_bytes() {
        let component = wat::parse_str("(component)").unwrap();
        let (one, two) = (salted(&component, 1), salted(&component, 2));
        assert_ne!(one, two);
        assert_eq!(one[..component.len()], component);
        // An id, a length, and so many bytes.
        let section = &one[component.len()..];
        assert_eq!(usize::from(section[1]), section.len() - 2);
    }
}
