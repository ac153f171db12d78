//! The tenant's data folder: all that there is of a filesystem.

mod bounds;

use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_model::{Limits, StopCode};
use ringfence_sandbox::{RunReport, Sandbox, SandboxConfig};
use rustix::fs::{FileType, Mode};
use tempfile::TempDir;

use super::{showing, shown};
use crate::guest::{Given, Guest, config, prepare};

/// `error-code`s, by their place in the interface.
const ACCESS: u8 = 0;
const QUOTA: u8 = 6;
const IS_DIRECTORY: u8 = 14;
const LOOP: u8 = 15;
const NAME_TOO_LONG: u8 = 18;
const NO_ENTRY: u8 = 20;
const NOT_DIRECTORY: u8 = 24;
const OVERFLOW: u8 = 30;
const NOT_PERMITTED: u8 = 31;
const READ_ONLY: u8 = 33;

/// Whether a link at a path's end is followed.
const FOLLOW: u32 = 1;
const STAY: u32 = 0;

/// What opening a file or a folder costs at least, in fuel.
const FILE_FUEL: u64 = 2_000;

/// Two tenants' data: `acme` has the files that the tests ask for.
fn tenants() -> TempDir {
    let tenants = tempfile::tempdir().unwrap();
    let acme = tenants.path().join("acme");
    fs::create_dir_all(acme.join("sub/deep")).unwrap();
    fs::create_dir(tenants.path().join("other")).unwrap();
    fs::write(tenants.path().join("other/secret"), "secret").unwrap();
    fs::write(acme.join("a.txt"), "hello world").unwrap();
    fs::write(acme.join("empty"), "").unwrap();
    fs::write(acme.join("large"), vec![b'x'; 100_000]).unwrap();
    fs::write(acme.join("sub/b.txt"), "b").unwrap();
    fs::hard_link(acme.join("a.txt"), acme.join("same")).unwrap();
    symlink("../a.txt", acme.join("sub/up")).unwrap();
    symlink("a.txt", acme.join("link")).unwrap();
    symlink("../other", acme.join("neighbour")).unwrap();
    symlink("/etc", acme.join("absolute")).unwrap();
    symlink("round", acme.join("round")).unwrap();
    let dir = fs::File::open(&acme).unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(&dir, "pipe", FileType::Fifo, mode, 0).unwrap();
    tenants
}

fn sandbox(tenants: &Path) -> Sandbox {
    let dir = Dir::open_ambient_dir(tenants, ambient_authority()).unwrap();
    let config = SandboxConfig {
        tenant_data: Some(Arc::new(dir)),
        ..config()
    };
    Sandbox::new(config, None).unwrap()
}

/// A guest with the data folder's descriptor in `$root`, and the beginning of
/// a body that has not asked for it yet.
fn guest() -> Guest {
    let types = "filesystem/types";
    let method = |name: &str| format!("[method]descriptor.{name}");
    let mut guest = Guest::new().importing(
        "filesystem/preopens",
        "get-directories",
        "$dirs",
        "(param i32)",
    );
    for (name, ty) in [
        ("open-at", "(param i32 i32 i32 i32 i32 i32 i32)"),
        ("stat-at", "(param i32 i32 i32 i32 i32)"),
        ("metadata-hash-at", "(param i32 i32 i32 i32 i32)"),
        ("readlink-at", "(param i32 i32 i32 i32)"),
        ("stat", "(param i32 i32)"),
        ("read", "(param i32 i64 i64 i32)"),
        ("read-via-stream", "(param i32 i64 i32)"),
        ("read-directory", "(param i32 i32)"),
        ("is-same-object", "(param i32 i32) (result i32)"),
        ("unlink-file-at", "(param i32 i32 i32 i32)"),
        ("create-directory-at", "(param i32 i32 i32 i32)"),
        ("set-size", "(param i32 i64 i32)"),
        ("write", "(param i32 i32 i32 i64 i32)"),
        ("write-via-stream", "(param i32 i64 i32)"),
        ("append-via-stream", "(param i32 i32)"),
    ] {
        guest = guest.importing(types, &method(name), &format!("${name}"), ty);
    }
    let guest = guest
        .importing(
            types,
            "[method]directory-entry-stream.read-directory-entry",
            "$entry",
            "(param i32 i32)",
        )
        .importing(
            "io/streams",
            "[method]input-stream.read",
            "$stream",
            "(param i32 i64 i32)",
        )
        .importing(types, "[resource-drop]descriptor", "$close", "(param i32)");
    showing(guest).with(
        "(global $root (mut i32) (i32.const 0))
         (func $clear (memory.fill (i32.const 512) (i32.const 0) (i32.const 128)))
         (func $preopen
           (call $dirs (i32.const 512))
           (call $show (i32.load (i32.const 516)) (i32.const 0))
           (if (i32.load (i32.const 516)) (then
             (global.set $root (i32.load (i32.load (i32.const 512))))
             (call $show (i32.load offset=4 (i32.load (i32.const 512)))
               (i32.load offset=8 (i32.load (i32.const 512)))))))
         (func $list (param $from i32)
           (loop $next
             (call $clear)
             (call $entry (local.get $from) (i32.const 512))
             (if (i32.and (i32.eqz (i32.load8_u (i32.const 512)))
                          (i32.load8_u (i32.const 516)))
               (then
                 (call $show (i32.load (i32.const 524)) (i32.load (i32.const 528)))
                 (call $show (i32.const 520) (i32.const 1))
                 (br $next)))))",
    )
}

/// A body in the making.
struct Steps {
    guest: Guest,
    body: String,
}

impl Steps {
    fn new() -> Self {
        Self {
            guest: guest(),
            body: "(call $preopen)".into(),
        }
    }

    /// Calls something that answers at 512.
    fn call(&mut self, call: &str) {
        write!(self.body, "(call $clear) (call {call} (i32.const 512))").unwrap();
    }

    fn show(&mut self, at: u32, len: u32) {
        write!(self.body, "(call $show (i32.const {at}) (i32.const {len}))").unwrap();
    }

    fn show_at(&mut self, pointer: u32) {
        let len = pointer + 4;
        write!(
            self.body,
            "(call $show (i32.load (i32.const {pointer})) (i32.load (i32.const {len})))"
        )
        .unwrap();
    }

    fn text(&mut self, path: &str) -> String {
        let (at, len) = self.guest.text(path);
        format!("(i32.const {at}) (i32.const {len})")
    }

    /// Keeps a handle that was answered at a place that no call clears.
    fn keep(&mut self, place: u32) {
        write!(
            self.body,
            "(i32.store (i32.const {place}) (i32.load (i32.const 516)))"
        )
        .unwrap();
    }

    /// Opens a path for reading; the error is at 516, the handle also at 700.
    fn open(&mut self, path: &str, follow: u32) {
        let path = self.text(path);
        self.call(&format!(
            "$open-at (global.get $root) (i32.const {follow}) {path} (i32.const 0) (i32.const 1)"
        ));
        self.keep(700);
    }

    fn stat_at(&mut self, path: &str, follow: u32) {
        let path = self.text(path);
        self.call(&format!(
            "$stat-at (global.get $root) (i32.const {follow}) {path}"
        ));
    }

    fn run(self, sandbox: &Sandbox, limits: Limits) -> RunReport {
        let guest = self
            .guest
            .handling(&format!("{} (i32.const 1024)", self.body));
        let prepared = prepare(sandbox, &guest.core());
        Given::limits(limits).run(sandbox, &prepared)
    }

    /// What was shown after the preopen's two lines.
    fn shown(self, sandbox: &Sandbox) -> Vec<Vec<u8>> {
        let limits = Limits {
            fuel: 100_000_000,
            log_bytes: 1_000_000,
            ..Limits::default()
        };
        let report = self.run(sandbox, limits);
        assert_eq!(report.outcome.as_deref().unwrap(), []);
        shown(&report).split_off(2)
    }
}

#[test]
fn the_tenants_folder_is_the_only_preopen() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let prepared = {
        let steps = Steps::new();
        let guest = steps.guest.handling("(call $preopen) (i32.const 1024)");
        prepare(&sandbox, &guest.core())
    };
    for (tenant, preopens) in [
        ("acme", &[&b""[..], b"/data"][..]),
        ("other", &[b"", b"/data"]),
        ("nobody", &[b""]),
    ] {
        let given = Given {
            tenant: tenant.parse().unwrap(),
            ..Given::default()
        };
        let report = given.run(&sandbox, &prepared);
        assert_eq!(report.outcome.as_deref().unwrap(), []);
        assert_eq!(shown(&report), preopens, "{tenant}");
    }
}

#[test]
fn a_folder_that_cannot_be_opened_is_not_taken_for_none() {
    let tenants = tenants();
    fs::write(tenants.path().join("file"), "").unwrap();
    let sandbox = sandbox(tenants.path());
    let guest = guest().handling("(call $preopen) (i32.const 1024)");
    let prepared = prepare(&sandbox, &guest.core());
    let given = Given {
        tenant: "file".parse().unwrap(),
        ..Given::default()
    };
    let stop = given.run(&sandbox, &prepared).outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::Trap);
    let says = "the tenant's data folder cannot be read";
    assert!(stop.message.contains(says), "{}", stop.message);
}

#[test]
fn files_are_read_by_parts_and_as_streams() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let mut steps = Steps::new();
    steps.open("a.txt", STAY);
    for (len, offset) in [(5, 0), (100, 6), (100, 11), (1, u64::MAX)] {
        let offset = offset.cast_signed();
        steps.call(&format!(
            "$read (i32.load (i32.const 700)) (i64.const {len}) (i64.const {offset})"
        ));
        steps.show_at(516);
        steps.show(524, 1);
    }
    steps.call("$read-via-stream (i32.load (i32.const 700)) (i64.const 2)");
    steps.keep(704);
    for len in [4, 100] {
        steps.call(&format!(
            "$stream (i32.load (i32.const 704)) (i64.const {len})"
        ));
        steps.show_at(516);
    }
    // At the end it is closed.
    steps.call("$stream (i32.load (i32.const 704)) (i64.const 1)");
    steps.show(512, 5);
    // However much is asked for, a call gives what one call gives.
    steps.open("large", STAY);
    steps.call("$read (i32.load (i32.const 700)) (i64.const -1) (i64.const 0)");
    steps.show(520, 5);
    let (no, yes) = (vec![0], vec![1]);
    let expected = [
        b"hello".to_vec(),
        no,
        b"world".to_vec(),
        yes.clone(),
        vec![],
        yes.clone(),
        vec![],
        yes,
        b"llo ".to_vec(),
        b"world".to_vec(),
        vec![1, 0, 0, 0, 1],
        vec![0, 0, 1, 0, 0],
    ];
    assert_eq!(steps.shown(&sandbox), expected);
}

#[test]
fn what_is_told_of_a_file_does_not_depend_on_the_host() {
    let stats = |age: u64| {
        let tenants = tenants();
        let acme = tenants.path().join("acme");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
        for name in ["a.txt", "sub"] {
            let file = fs::File::open(acme.join(name)).unwrap();
            file.set_modified(time).unwrap();
        }
        let sandbox = sandbox(tenants.path());
        let mut steps = Steps::new();
        for (path, follow) in [
            ("a.txt", STAY),
            ("link", STAY),
            ("link", FOLLOW),
            ("sub", STAY),
        ] {
            steps.stat_at(path, follow);
            steps.show(512, 104);
            let path = steps.text(path);
            steps.call(&format!(
                "$metadata-hash-at (global.get $root) (i32.const {follow}) {path}"
            ));
            steps.show(512, 24);
        }
        steps.shown(&sandbox)
    };
    let shown = stats(1_000);
    assert_eq!(shown, stats(2_000_000_000));
    let stat = |kind: u8, size: u8| {
        let mut stat = vec![0; 104];
        // Its kind, one link, its size; no times.
        (stat[8], stat[16], stat[24]) = (kind, 1, size);
        stat
    };
    let [file, link, folder] = [6, 5, 3];
    assert_eq!(shown[0], stat(file, 11));
    assert_eq!(shown[2], stat(link, 5));
    assert_eq!(shown[4], stat(file, 11));
    assert_eq!(shown[6], stat(folder, 0));
    // The same file by two ways, and two other things.
    let identities = [1, 3, 5, 7].map(|at: usize| shown[at][8]);
    assert_eq!(identities, [1, 2, 1, 3]);
}

#[test]
fn the_same_file_is_known_by_two_names() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let mut steps = Steps::new();
    for (place, path) in [(704, "a.txt"), (708, "same"), (712, "empty")] {
        steps.open(path, STAY);
        steps.keep(place);
    }
    for (a, b) in [(704, 708), (704, 712)] {
        write!(
            steps.body,
            "(i32.store8 (i32.const 512)
               (call $is-same-object (i32.load (i32.const {a})) (i32.load (i32.const {b}))))"
        )
        .unwrap();
        steps.show(512, 1);
    }
    assert_eq!(steps.shown(&sandbox), [[1], [0]]);
}

#[test]
fn a_folder_is_listed_in_the_order_of_its_names() {
    let tenants = tenants();
    let odd = std::ffi::OsStr::from_bytes(b"sub/\xff");
    fs::write(tenants.path().join("acme").join(odd), "").unwrap();
    let sandbox = sandbox(tenants.path());
    let list = |path: &str| {
        let mut steps = Steps::new();
        steps.open(path, STAY);
        steps.call("$read-directory (i32.load (i32.const 700))");
        steps
            .body
            .push_str("(call $list (i32.load (i32.const 516)))");
        // What ended the list: its end, or an error.
        steps.show(512, 1);
        steps.shown(&sandbox)
    };
    let entries = |entries: &[(&str, u8)], end: u8| {
        let lines = entries
            .iter()
            .flat_map(|(name, kind)| [name.as_bytes().to_vec(), vec![*kind]]);
        lines.chain([vec![end]]).collect::<Vec<_>>()
    };
    let [unknown, folder, link, file] = [0, 3, 5, 6];
    let expected = [
        ("a.txt", file),
        ("absolute", link),
        ("empty", file),
        ("large", file),
        ("link", link),
        ("neighbour", link),
        ("pipe", unknown),
        ("round", link),
        ("same", file),
        ("sub", folder),
    ];
    assert_eq!(list("."), entries(&expected, 0));
    // A name that is no text is told in its place.
    let expected = [("b.txt", file), ("deep", folder), ("up", link)];
    assert_eq!(list("sub"), entries(&expected, 1));
}

#[test]
fn paths_lead_nowhere_else() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let long = "d/".repeat(2_049);
    for (path, follow, expected) in [
        ("a.txt", STAY, Ok(())),
        ("./sub/../a.txt", STAY, Ok(())),
        ("link", FOLLOW, Ok(())),
        ("sub/up", FOLLOW, Ok(())),
        ("sub/deep", STAY, Ok(())),
        ("link", STAY, Err(LOOP)),
        ("round", FOLLOW, Err(LOOP)),
        ("none", STAY, Err(NO_ENTRY)),
        ("", STAY, Err(NO_ENTRY)),
        ("a.txt/x", STAY, Err(NOT_DIRECTORY)),
        ("..", STAY, Err(NOT_PERMITTED)),
        ("../other/secret", STAY, Err(NOT_PERMITTED)),
        ("sub/../../other/secret", STAY, Err(NOT_PERMITTED)),
        ("/etc/passwd", STAY, Err(NOT_PERMITTED)),
        ("absolute/passwd", FOLLOW, Err(NOT_PERMITTED)),
        ("neighbour", FOLLOW, Err(NOT_PERMITTED)),
        ("neighbour/secret", STAY, Err(NOT_PERMITTED)),
        // Opening it would wait for a writer.
        ("pipe", STAY, Err(ACCESS)),
        (&long, STAY, Err(NAME_TOO_LONG)),
    ] {
        let mut steps = Steps::new();
        steps.open(path, follow);
        steps.show(512, 1);
        steps.show(516, 1);
        let shown = steps.shown(&sandbox).concat();
        match expected {
            Ok(()) => assert_eq!(shown[0], 0, "{path}: {shown:?}"),
            Err(code) => assert_eq!(shown, [1, code], "{path}"),
        }
    }
}

#[test]
fn links_are_told_if_they_stay_inside() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let mut steps = Steps::new();
    let path = steps.text("link");
    steps.call(&format!("$readlink-at (global.get $root) {path}"));
    steps.show_at(516);
    let path = steps.text("absolute");
    steps.call(&format!("$readlink-at (global.get $root) {path}"));
    steps.show(512, 5);
    let expected = [b"a.txt".to_vec(), vec![1, 0, 0, 0, NOT_PERMITTED]];
    assert_eq!(steps.shown(&sandbox), expected);
}

#[test]
fn nothing_can_be_changed() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let mut steps = Steps::new();
    let path = steps.text("a.txt");
    let new = steps.text("new");
    steps.open("a.txt", STAY);
    let file = "(i32.load (i32.const 700))";
    let root = "(global.get $root)";
    let calls = [
        // Create; exclusively; truncated; to be written; to be changed.
        (
            format!("$open-at {root} (i32.const 0) {new} (i32.const 1) (i32.const 1)"),
            516,
        ),
        (
            format!("$open-at {root} (i32.const 0) {new} (i32.const 4) (i32.const 1)"),
            516,
        ),
        (
            format!("$open-at {root} (i32.const 0) {path} (i32.const 8) (i32.const 1)"),
            516,
        ),
        (
            format!("$open-at {root} (i32.const 0) {path} (i32.const 0) (i32.const 2)"),
            516,
        ),
        (
            format!("$open-at {root} (i32.const 0) {path} (i32.const 0) (i32.const 32)"),
            516,
        ),
        (format!("$unlink-file-at {root} {path}"), 513),
        (format!("$create-directory-at {root} {new}"), 513),
        (format!("$set-size {file} (i64.const 0)"), 513),
        (
            format!("$write {file} (i32.const 0) (i32.const 9) (i64.const 0)"),
            520,
        ),
        (format!("$write-via-stream {file} (i64.const 0)"), 516),
        (format!("$append-via-stream {file}"), 516),
    ];
    for (call, code) in &calls {
        steps.call(call);
        steps.show(512, 1);
        steps.show(*code, 1);
    }
    let shown = steps.shown(&sandbox).concat();
    for ((call, _), answer) in calls.iter().zip(shown.chunks(2)) {
        assert_eq!(answer, [1, READ_ONLY], "{call}");
    }
    let acme = tenants.path().join("acme");
    assert_eq!(
        fs::read_to_string(acme.join("a.txt")).unwrap(),
        "hello world"
    );
    assert!(!acme.join("new").exists());
}

#[test]
fn a_folder_is_no_file_and_a_file_no_folder() {
    let tenants = tenants();
    let sandbox = sandbox(tenants.path());
    let mut steps = Steps::new();
    steps.call("$read (global.get $root) (i64.const 1) (i64.const 0)");
    steps.show(516, 1);
    steps.call("$read-via-stream (global.get $root) (i64.const 0)");
    steps.show(516, 1);
    steps.open("a.txt", STAY);
    steps.call("$read-directory (i32.load (i32.const 700))");
    steps.show(516, 1);
    // To be opened as a folder.
    let path = steps.text("a.txt");
    steps.call(&format!(
        "$open-at (global.get $root) (i32.const 0) {path} (i32.const 2) (i32.const 1)"
    ));
    steps.show(516, 1);
    let expected = [
        [IS_DIRECTORY],
        [IS_DIRECTORY],
        [NOT_DIRECTORY],
        [NOT_DIRECTORY],
    ];
    assert_eq!(steps.shown(&sandbox), expected);
}
