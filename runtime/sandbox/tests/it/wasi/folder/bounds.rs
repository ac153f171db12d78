//! What reading costs, and how much of it there is at once.

use super::*;

#[test]
fn what_is_open_at_once_is_bounded_and_closing_makes_room() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let mut steps = Steps::new();
    // With the preopen, 32 are open then.
    for _ in 0..31 {
        steps.open("a.txt", STAY);
    }
    steps.keep(704);
    steps.open("a.txt", STAY);
    steps.show(516, 1);
    steps.call("$read-directory (global.get $root)");
    steps.show(516, 1);
    steps
        .body
        .push_str("(call $close (i32.load (i32.const 704)))");
    steps.open("a.txt", STAY);
    steps.show(512, 1);
    assert_eq!(steps.shown(&sandbox), [[QUOTA], [QUOTA], [0]]);
}

#[test]
fn a_folder_with_too_much_in_it_is_not_listed() {
    let tenants = tenants();
    let many = tenants.path().join("acme/many");
    fs::create_dir(&many).unwrap();
    for number in 0..4097 {
        fs::write(many.join(number.to_string()), "").unwrap();
    }
    let sandbox = sandbox(tenants.path());
    let steps = || {
        let mut steps = Steps::new();
        steps.open("many", STAY);
        steps.call("$read-directory (i32.load (i32.const 700))");
        steps.show(512, 1);
        steps.show(516, 1);
        steps
    };
    assert_eq!(steps().shown(&sandbox), [[1], [OVERFLOW]]);
    // Looking was not free.
    let used = steps().run(&sandbox, Limits::default()).usage.fuel;
    assert!(used > 2_000_000, "{used}");
    fs::remove_file(many.join("4096")).unwrap();
    assert_eq!(steps().shown(&sandbox)[0], [0]);
}

#[test]
fn reading_costs_fuel() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let fuel = |path: &str, len: u32| {
        let mut steps = Steps::new();
        steps.open(path, STAY);
        steps.call(&format!(
            "$read (i32.load (i32.const 700)) (i64.const {len}) (i64.const 0)"
        ));
        let report = steps.run(&sandbox, Limits::default());
        assert_eq!(report.outcome.as_deref().unwrap(), []);
        report.usage.fuel
    };
    let little = fuel("large", 1);
    assert!(little > 3 * FILE_FUEL, "{little}");
    assert_eq!(fuel("large", 30_001) - little, 30_000);
}
