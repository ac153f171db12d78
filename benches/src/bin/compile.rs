//! Uploads that are built to be slow, compiled as the server does it, in a
//! confined child: how long, how much memory, and what a calm rule in this
//! process notices meanwhile.
//!
//! `compile` (with a folder, only writes the uploads there); the child is the binary that `RINGFENCE_BIN` names, and the calm
//! rule is looked for in `RINGFENCE_GUESTS`, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ringfence_benches::rule::{Rule, config, guest};
use ringfence_benches::{start, table};
use ringfence_model::Limits;
use ringfence_processes::{ChildCompiler, Program};

/// How long the calm rule is measured alone.
const ALONE: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    if let Some(folder) = std::env::args_os().nth(1) {
        return write(&PathBuf::from(folder));
    }
    let binary = std::env::var_os("RINGFENCE_BIN").context("RINGFENCE_BIN is not set")?;
    let compiler = ChildCompiler::new(Program::at(PathBuf::from(binary)));
    let calm = Arc::new(Rule::new(config(), &guest("escalate-urgent")?)?);
    let head = [
        "upload",
        "bytes",
        "outcome",
        "seconds",
        "child's peak MiB",
        "own RSS MiB",
        "calm p50 us",
        "calm p99 us",
    ];
    let mut rows = Vec::new();
    let alone = beside(&calm, || thread::sleep(ALONE))?;
    let mut row = vec!["(none)".into(), "0".into(), "-".into()];
    row.extend([seconds(ALONE), "-".into(), mib(own_rss()?)]);
    row.extend(alone);
    rows.push(row);
    // By a process of its own: assembling takes more memory than is measured.
    let folder = tempfile::tempdir()?;
    let own = std::env::current_exe()?;
    let written = Command::new(own).arg(folder.path()).status()?;
    ensure!(written.success(), "the uploads cannot be made");
    for name in NAMES {
        let component = std::fs::read(folder.path().join(name))?;
        let began = start();
        let mut outcome = None;
        let calm = beside(&calm, || {
            outcome = Some(compiler.build_measured(&component, &limits()));
        })?;
        let took = began.elapsed();
        let (built, peak) = outcome.context("it was compiled")?;
        let outcome = match built {
            Ok(_) => "compiled".to_owned(),
            Err(error) => error.code().to_owned(),
        };
        let peak = peak.map_or_else(|| "-".to_owned(), mib);
        let mut row = vec![name.to_owned(), component.len().to_string(), outcome];
        row.extend([seconds(took), peak, mib(own_rss()?)]);
        row.extend(calm);
        rows.push(row);
    }
    table(&head, &rows);
    Ok(())
}

/// Those of the plan `standard`, but for the size.
fn limits() -> Limits {
    Limits {
        component_bytes: 32 << 20,
        ..Limits::default()
    }
}

/// Runs the calm rule on one thread for as long as `work` takes; its p50 and
/// p99 in microseconds.
fn beside(calm: &Arc<Rule>, work: impl FnOnce()) -> Result<[String; 2]> {
    let ended = Arc::new(AtomicBool::new(false));
    let (runs, seen) = (Arc::clone(calm), Arc::clone(&ended));
    let runner = thread::spawn(move || -> Result<Vec<f64>> {
        let mut times = Vec::new();
        while !seen.load(Ordering::Relaxed) {
            let began = start();
            ensure!(
                runs.run()? == 1,
                "the calm rule's run returned something else"
            );
            times.push(began.elapsed().as_secs_f64() * 1e6);
            thread::sleep(Duration::from_micros(200));
        }
        Ok(times)
    });
    work();
    ended.store(true, Ordering::Relaxed);
    let mut times = runner.join().expect("the calm thread does not panic")?;
    ensure!(!times.is_empty(), "the calm rule was never run");
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    Ok([format!("{:.1}", at(0.5)), format!("{:.1}", at(0.99))])
}

const NAMES: [&str; 4] = [
    "1,500 functions of 400 dependent steps",
    "300 functions of 9,999 locals",
    "40 functions of 60 br_tables of 2,000",
    "60 functions nested 3,000 deep",
];

fn write(folder: &Path) -> Result<()> {
    let texts = [steps()?, locals()?, tables()?, nested()];
    for (name, text) in NAMES.into_iter().zip(texts) {
        std::fs::write(folder.join(name), wat::parse_str(rule(&text))?)?;
    }
    Ok(())
}

fn steps() -> Result<String> {
    let mut many = String::from("(memory 1)");
    for function in 0..1_500 {
        many.push_str("(func (param i32) (result i32) (local i32) local.get 0 ");
        for step in 0..400 {
            let at = step + function;
            write!(
                many,
                "i32.const {at} i32.add local.tee 1 local.get 1 i32.mul i32.load local.get 0 i32.rotl local.get 1 i32.xor "
            )?;
        }
        many.push(')');
    }
    Ok(many)
}

fn locals() -> Result<String> {
    let mut locals = String::new();
    for _ in 0..300 {
        write!(locals, "(func (local {})", "i64 ".repeat(9_999))?;
        for local in 0..2_000 {
            write!(locals, "local.get {} local.set {} ", local * 3 + 1, local)?;
        }
        locals.push(')');
    }
    Ok(locals)
}

fn tables() -> Result<String> {
    let mut table = String::new();
    for _ in 0..40 {
        let blocks = 400;
        table.push_str("(func (param i32)");
        table.push_str(&"block ".repeat(blocks));
        for _ in 0..60 {
            table.push_str("block local.get 0 br_table ");
            for target in 0..blocks * 5 {
                write!(table, "{} ", target % blocks)?;
            }
            table.push_str("end ");
        }
        table.push_str(&"end ".repeat(blocks));
        table.push(')');
    }
    Ok(table)
}

fn nested() -> String {
    let mut nested = String::new();
    for _ in 0..60 {
        nested.push_str("(func (param i32) (result i32) ");
        nested.push_str(&"local.get 0 if (result i32) ".repeat(3_000));
        nested.push_str("i32.const 1 ");
        nested.push_str(&"else local.get 0 end ".repeat(3_000));
        nested.push(')');
    }
    nested
}

/// A component that has what a rule has, by name, beside a hostile module.
fn rule(module: &str) -> String {
    format!(
        r#"(component
        (core module {module})
        (core module $m (func (export "f") (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i "f")))
        (export "describe" (func $f))
        (export "handle" (func $f)))"#
    )
}

fn own_rss() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib
        .context("/proc/self/status does not tell RSS")?
        .parse()?;
    Ok(kib * 1024)
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0 / 1024.0)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64())
}
