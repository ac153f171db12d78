#![allow(
    clippy::all,
    missing_docs,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used
)]
use ringfence_hostile::*;
use std::time::Instant;
fn main() {
    let arg = std::env::args().nth(1).unwrap();
    let stage = Stage::new(2);
    let attacks: Vec<Attack> = if let Ok(text) = std::fs::read(&arg) {
        let upload = if text.starts_with(b"\0asm") {
            text
        } else {
            let text = String::from_utf8(text).unwrap();
            return one(&stage, &Attack::read(&arg, &text));
        };
        let a = corpus()[0].clone();
        vec![Attack {
            upload,
            name: arg.clone(),
            end: End::Harmless,
            ..a
        }]
    } else {
        corpus()
            .into_iter()
            .filter(|a| a.name.contains(&arg))
            .collect()
    };
    for a in &attacks {
        one(&stage, a);
    }
}
fn one(stage: &Stage, a: &Attack) {
    let t = Instant::now();
    let up = stage.upload(&a.upload, &a.limits);
    let hwm = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap()
        .to_string();
    println!(
        "{hwm} {} {} bytes: upload {:?} judged {:?}",
        a.name,
        a.upload.len(),
        t.elapsed(),
        a.judge_upload(&up)
    );
    match up {
        Err(e) => println!("   {:.300}", format!("{}: {e}", e.code())),
        Ok(p) => {
            for _ in 0..3 {
                let t = Instant::now();
                let r = stage.attack(a, &p);
                println!(
                    "   run {:?} fuel {} {:.300} judged {:?}",
                    t.elapsed(),
                    r.usage.fuel,
                    match &r.outcome {
                        Ok(_) => "ok".to_string(),
                        Err(s) => format!("{}: {}", s.code, s.message),
                    },
                    a.judge_run(&r)
                );
            }
        }
    }
}
