//! Tells what the standard library sees of the world in a rule: built for
//! wasm32-wasip2, where it asks WASI. Not built by `ringfence build`, but by
//! `scripts/build-scripted-guests.sh`, as cargo does it.

use std::collections::HashSet;
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, io, thread};

use bindings::ringfence::rule::types::{
    Action, Effect, Event, Failure, Invocation, Manifest, Trigger,
};
use serde_json::{Value, json};

#[allow(unsafe_code, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "rule" });
    use super::Rule;
    export!(Rule with_types_in self);
}

struct Rule;

impl bindings::Guest for Rule {
    fn describe() -> Manifest {
        Manifest {
            triggers: vec![Trigger {
                type_: "*".into(),
                ignore: vec![],
            }],
            emits: vec![],
            acts: vec!["std.saw".into()],
            config_schema: None,
            summary: "Tells what the standard library sees.".into(),
        }
    }

    fn handle(_event: Event, _invocation: Invocation) -> Result<Vec<Effect>, Failure> {
        println!("to the output");
        eprintln!("to the errors");
        let seen = look().map_err(Failure::Internal)?;
        Ok(vec![Effect::Act(Action {
            name: "std.saw".into(),
            payload: seen.to_string(),
        })])
    }
}

fn look() -> Result<Value, String> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_1970 = since_1970.map_err(|error| error.to_string())?;
    let before = Instant::now();
    thread::sleep(Duration::from_secs(2));
    let numbers: HashSet<u8> = (0..20).collect();
    let file = fs::read_to_string("/data/teams.csv");
    Ok(json!({
        "now_ms": since_1970.as_millis() as u64,
        "slept_ms": before.elapsed().as_millis() as u64,
        "order": numbers.into_iter().collect::<Vec<_>>(),
        "arguments": env::args().count(),
        "variables": env::vars().count(),
        "input": io::read_to_string(io::stdin()).map_err(|error| error.to_string())?,
        "file": file.map_err(|error| error.kind().to_string()).unwrap_or_else(|kind| kind),
        "written": fs::write("/data/new", "x").is_ok(),
        "connected": TcpStream::connect("127.0.0.1:80").is_ok(),
    }))
}
