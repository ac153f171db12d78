//! Work is charged: what a guest does, what the host does for it, and also
//! what was done before an end that loses the engine's counter.

use std::sync::Arc;

use ringfence_model::{FUEL_PER_MICROSECOND, Json, Limits, StopCode, Usage};
use ringfence_sandbox::{
    FREE_BYTES, GROWTH_FUEL, HOST_CALL_FUEL, HOST_CALL_FUEL_PER_BYTE, LIFT_FUEL,
    LIFT_FUEL_PER_BYTE, PAGE_FUEL, RECALL_FUEL, Recall, RecallError, RunReport,
};

use crate::guest::{E, Given, Guest, prepare, sandbox};

/// Turns of [`WORK`]: a few million fuel.
const TURNS: u32 = 1_000_000;

/// `$work` adds up its parameter's numbers.
const WORK: &str = "(func $work (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))";

fn limits() -> Limits {
    Limits {
        fuel: 1_000_000_000,
        deadline_ms: 10_000,
        ..Limits::default()
    }
}

fn run(guest: Guest) -> RunReport {
    run_within(guest, limits())
}

fn run_within(guest: Guest, limits: Limits) -> RunReport {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &guest.core());
    Given::limits(limits).run(&sandbox, &prepared)
}

/// The fuel of a guest that does this and returns nothing.
fn fuel(fields: &str, body: &str) -> u64 {
    let guest = Guest::new().with(fields);
    let report = run(guest.handling(&format!("{body} (i32.const 1024)")));
    assert_eq!(report.outcome.unwrap(), [], "{body}");
    report.usage.fuel
}

/// Fails if less CPU time was charged than was used.
fn assert_charged(name: &str, usage: &Usage, limits: &Limits) {
    // In whole microseconds, so one may not have been full.
    let cpu = usage.cpu_us.saturating_sub(1) * FUEL_PER_MICROSECOND;
    assert!(usage.fuel >= cpu.min(limits.fuel), "{name}: {usage:?}");
    assert!(usage.share() >= cpu, "{name}: {usage:?}");
}

/// Ways to end that are not a return, after work whose result is on the
/// stack.
fn ends() -> Vec<(&'static str, StopCode, &'static str)> {
    vec![
        ("unreachable", StopCode::Trap, "(drop) (unreachable)"),
        (
            "a division by zero",
            StopCode::Trap,
            "(i32.div_u (local.get $zero))",
        ),
        (
            "a remainder of zero",
            StopCode::Trap,
            "(i32.rem_s (local.get $zero))",
        ),
        (
            "a load out of bounds",
            StopCode::Trap,
            "(i32.or (i32.const 0x7fffff00)) (i32.load)",
        ),
        (
            "a store out of bounds",
            StopCode::Trap,
            "(i32.or (i32.const 0x7fffff00)) (i32.store (i32.const 1)) (i32.const 0)",
        ),
        (
            "not a number",
            StopCode::Trap,
            "(f64.convert_i32_s) (f64.mul (f64.const nan)) (i32.trunc_f64_s)",
        ),
        (
            "a call of nothing",
            StopCode::Trap,
            "(i32.and (i32.const 1)) (call_indirect $none (type $nothing)) (i32.const 0)",
        ),
        (
            "a fill out of bounds",
            StopCode::Trap,
            "(memory.fill (i32.const -1) (i32.const 0)) (i32.const 0)",
        ),
        (
            "a misuse of the host",
            StopCode::Trap,
            "(call $recall (i32.const 0) (i32.const 300) (i32.const 800))",
        ),
        (
            "a bad address for the host",
            StopCode::Trap,
            "(i32.or (i32.const 0x7fffff00)) (i32.const 9) (call $log (i32.const 1)) (i32.const 0)",
        ),
        (
            "a recursion",
            StopCode::StackOverflow,
            "(drop) (call $deep)",
        ),
        (
            "a grab",
            StopCode::OutOfMemory,
            "(drop) (memory.grow (i32.const 60000))",
        ),
        (
            "a bad result",
            StopCode::Trap,
            "(i32.or (i32.const 0x7ffffffc))",
        ),
    ]
}

const FIELDS: &str = "(type $nothing (func)) (table $none 2 funcref)
    (func $deep (result i32) (i32.add (call $deep) (i32.const 1)))";

/// A body of `handle`, which has the locals that `ends` use.
fn ending(work: &str, end: &str) -> Guest {
    let shape = format!(
        "(func $end (result i32) (local $zero i32)
           (local.set $zero (i32.sub (i32.load (i32.const 0)) (i32.load (i32.const 0))))
           {work} {end})"
    );
    // `call.recall` leaves what is on the stack.
    Guest::new()
        .with(WORK)
        .with(FIELDS)
        .with(&shape)
        .handling("(call $end)")
}

#[test]
fn work_before_any_end_is_charged() {
    let work = format!("(call $work (i32.const {TURNS}))");
    let counted = fuel(WORK, &format!("(drop {work})"));
    for (name, code, end) in ends() {
        let report = run(ending(&work, end));
        assert_eq!(report.outcome.unwrap_err().code, code, "{name}");
        let usage = report.usage;
        assert_charged(name, &usage, &limits());
        // By the clock, which may be faster than the prices say, or by the
        // counter.
        assert!(usage.fuel >= counted / 8, "{name}: {counted}: {usage:?}");
    }
}

#[test]
fn work_in_a_start_function_is_charged() {
    let work = format!("(call $work (i32.const {TURNS}))");
    let counted = fuel(WORK, &format!("(drop {work})"));
    // At its upload the clock stands at 0, and it does not trap.
    let start = format!(
        "(func $start (local $zero i32)
           (if (i64.ne (call $now) (i64.const 0))
             (then (drop (i32.div_u {work} (local.get $zero))))))
         (start $start)"
    );
    let report = run(Guest::new().with(WORK).with(&start));
    assert_eq!(report.outcome.unwrap_err().code, StopCode::Trap);
    assert_charged("start", &report.usage, &limits());
    assert!(
        report.usage.fuel >= counted / 8,
        "{counted}: {:?}",
        report.usage
    );
}

#[test]
fn an_end_by_a_limit_is_charged() {
    let spin = "(loop $again (br $again)) (unreachable)";
    let deadline = Limits {
        deadline_ms: 5,
        fuel: 10_000_000_000,
        ..Limits::default()
    };
    let small = Limits {
        fuel: 100_000,
        ..Limits::default()
    };
    for (name, limits, code) in [
        ("deadline", deadline, StopCode::Deadline),
        ("fuel", small, StopCode::OutOfFuel),
    ] {
        let report = run_within(Guest::new().handling(spin), limits.clone());
        assert_eq!(report.outcome.unwrap_err().code, code, "{name}");
        assert_charged(name, &report.usage, &limits);
        assert!(report.usage.fuel <= limits.fuel, "{name}");
    }
}

#[test]
fn no_way_round_is_free() {
    let fields = "(type $turn (func (result i32)))
      (table $turns 1 funcref) (elem (table $turns) (i32.const 0) func $by_table)
      (func $round (result i32) (return_call $round))
      (func $by_table (type $turn)
        (return_call_indirect $turns (type $turn) (i32.const 0)))
      (func $even (result i32) (return_call $odd))
      (func $odd (result i32) (return_call $even))
      (func $empty)";
    let limits = Limits {
        fuel: 20_000,
        deadline_ms: 10_000,
        ..Limits::default()
    };
    for round in [
        "(loop $again (br $again)) (unreachable)",
        "(loop $again (br_if $again (i32.const 1))) (unreachable)",
        "(loop $again (br_table $again $again (i32.const 0))) (unreachable)",
        "(loop $again (if (i32.const 1) (then (br $again)))) (unreachable)",
        "(i32.const 1) (loop $again (param i32) (br $again)) (unreachable)",
        "(loop $a (loop $b (br $a))) (unreachable)",
        "(loop $again (block $out (br $out)) (br $again)) (unreachable)",
        "(loop $again (call $empty) (br $again)) (unreachable)",
        "(loop $again (drop (memory.grow (i32.const 0))) (br $again)) (unreachable)",
        "(return_call $round)",
        "(return_call $even)",
        "(return_call_indirect $turns (type $turn) (i32.const 0))",
    ] {
        let guest = Guest::new().with(fields).handling(round);
        let report = run_within(guest, limits.clone());
        let stop = report.outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::OutOfFuel, "{round}: {stop:?}");
        assert_eq!(report.usage.fuel, limits.fuel, "{round}");
    }
}

#[test]
fn bulk_operations_cost_by_their_size() {
    let fields = "(data $bytes \"0123456789abcdef\") (elem $funcs func 0 0 0 0 0 0 0 0)
      (table $t 4000 funcref)";
    // Operation, unit, and what that many units cost at least and at most.
    for (operation, units, least, most) in [
        (
            "(memory.fill (i32.const 70000) (i32.const 1) N)",
            64_000,
            2_000,
            4_000,
        ),
        (
            "(memory.copy (i32.const 70000) (i32.const 0) N)",
            64_000,
            2_000,
            4_000,
        ),
        (
            "(memory.init $bytes (i32.const 70000) (i32.const 0) N)",
            16,
            0,
            16,
        ),
        (
            "(table.fill $t (i32.const 0) (ref.null func) N)",
            2_000,
            1_000,
            8_000,
        ),
        (
            "(table.copy $t $t (i32.const 0) (i32.const 1) N)",
            2_000,
            1_000,
            8_000,
        ),
        (
            "(table.init $t $funcs (i32.const 0) (i32.const 0) N)",
            8,
            1,
            32,
        ),
        (
            "(drop (table.grow $t (ref.null func) N))",
            2_000,
            1_000,
            16_000,
        ),
    ] {
        let cost = |size: u32| {
            // Loaded, so that it is not known when it is compiled.
            let size = format!("(i32.add (i32.load (i32.const 0)) (i32.const {size}))");
            fuel(fields, &operation.replace('N', &size))
        };
        let more = cost(units) - cost(0);
        assert!((least..=most).contains(&more), "{operation}: {more}");
    }
}

#[test]
fn growing_costs_by_the_page() {
    let grow = |pages: u32| {
        let body = format!("(drop (memory.grow $m (i32.const {pages})))");
        fuel("(memory $m 1)", &body)
    };
    let page = 64 << 10;
    // The first pages are free, but for the growth itself.
    let free = FREE_BYTES / page;
    assert!((GROWTH_FUEL..2 * GROWTH_FUEL).contains(&(grow(1) - grow(0))));
    assert!(grow(8) - grow(1) < PAGE_FUEL);
    let beyond = u32::try_from(free).unwrap();
    assert_eq!(grow(beyond + 100) - grow(beyond + 50), 50 * PAGE_FUEL);
    // Step by step it costs as much, and more for the steps.
    let steps = "(loop $again
        (drop (memory.grow $m (i32.const 1)))
        (br_if $again (i32.lt_u (memory.size $m) (i32.const 101))))";
    let stepwise = fuel("(memory $m 1)", steps);
    assert!(stepwise > grow(100) + 99 * GROWTH_FUEL);
    // One that begins so large pays a part of it.
    let large = fuel("(memory $m 101)", "") - fuel("(memory $m 51)", "");
    assert_eq!(large, 50 * PAGE_FUEL / 2);
}

#[test]
fn growth_that_is_not_paid_for_ends_the_run() {
    let grab = "(drop (memory.grow (i32.const 300)))";
    let limits = Limits {
        fuel: 1_000_000,
        ..Limits::default()
    };
    // At the next step, and also if it is the last thing that it did.
    for body in [
        format!("{grab} (loop $again (br $again)) (unreachable)"),
        format!("{grab} (call $random) (unreachable)"),
        format!("{grab} (i32.const 1024)"),
    ] {
        let report = run_within(Guest::new().handling(&body), limits.clone());
        let stop = report.outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::OutOfFuel, "{body}: {stop:?}");
        assert_eq!(report.usage.fuel, limits.fuel, "{body}");
    }
}

struct Remembered(String);

impl Recall for Remembered {
    fn recall(&self, _: &str) -> Result<Option<Json>, RecallError> {
        Ok(Some(Json::parse(&format!("\"{}\"", self.0)).unwrap()))
    }
}

#[test]
fn what_is_recalled_costs_by_its_size() {
    let sandbox = sandbox();
    let cost = |body: &str, bytes: usize| {
        let guest = Guest::new().handling(&format!("{body} (i32.const 1024)"));
        let prepared = prepare(&sandbox, &guest.core());
        let given = Given {
            recall: Arc::new(Remembered("x".repeat(bytes))),
            ..Given::limits(limits())
        };
        let report = given.run(&sandbox, &prepared);
        assert_eq!(report.outcome.unwrap(), []);
        report.usage.fuel
    };
    let recall = "(call $recall (i32.const 1024) (i32.const 4) (i32.const 800))";
    let once = cost(recall, 10);
    assert!(once >= cost("", 10) + RECALL_FUEL + HOST_CALL_FUEL);
    assert_eq!(
        cost(recall, 10_010) - once,
        10_000 * HOST_CALL_FUEL_PER_BYTE
    );
    // It is known then.
    let again = cost(&recall.repeat(2), 10) - once;
    assert!((HOST_CALL_FUEL..RECALL_FUEL).contains(&again), "{again}");
}

#[test]
fn what_goes_in_and_comes_out_costs_by_its_size() {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &Guest::new().core());
    let shown = |bytes: usize| {
        let mut given = Given::limits(limits());
        given.event.data = Json::parse(&format!("\"{}\"", "x".repeat(bytes))).unwrap();
        given.run(&sandbox, &prepared).usage.fuel
    };
    assert_eq!(shown(10_010) - shown(10), 10_000 * HOST_CALL_FUEL_PER_BYTE);

    let returned = |payload: usize, effects: usize| {
        let payload = format!("\"{}\"", "x".repeat(payload));
        let effects: Vec<_> = (0..effects).map(|_| E::Act("note.add", &payload)).collect();
        run(Guest::new().returning(&effects)).usage.fuel
    };
    let one = returned(100, 1);
    assert_eq!(returned(1_100, 1) - one, 1_000 * LIFT_FUEL_PER_BYTE);
    let size = 8 + 102;
    assert_eq!(
        returned(100, 11) - one,
        10 * (LIFT_FUEL + size * LIFT_FUEL_PER_BYTE)
    );
    // Also where it is too much: it was looked at all the same.
    let limits = Limits {
        output_bytes: 1,
        ..limits()
    };
    let guest = Guest::new().returning(&[E::Act("note.add", "\"100\"")]);
    let report = run_within(guest, limits);
    assert_eq!(report.outcome.unwrap_err().code, StopCode::OutputTooLarge);
    assert!(report.usage.fuel > LIFT_FUEL + 13 * LIFT_FUEL_PER_BYTE);
}

#[test]
fn a_run_that_returns_is_charged_the_same_each_time() {
    let sandbox = sandbox();
    let work = "(drop (call $work (i32.const 10000))) (i32.const 1024)";
    let prepared = prepare(&sandbox, &Guest::new().with(WORK).handling(work).core());
    let runs = (0..50).map(|_| Given::default().run(&sandbox, &prepared).usage);
    let fuel: std::collections::BTreeSet<_> = runs
        .inspect(|usage| assert!(usage.cpu_us > 0 && usage.share() >= usage.fuel))
        .map(|usage| usage.fuel)
        .collect();
    assert_eq!(fuel.len(), 1, "{fuel:?}");
}
