//! The rules that are measured.

/// What is handed over.
pub(super) struct Giver<'a> {
    encoding: &'a str,
    /// Eight bytes that are repeated.
    pattern: Vec<u8>,
    /// The last letter, if it is another.
    last: Vec<u8>,
    bytes: u32,
    /// As the canonical ABI has it.
    length: u32,
}

impl<'a> Giver<'a> {
    pub(super) fn of(encoding: &'a str, what: &str, letters: &str, bytes: u32) -> Self {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let narrow = |text: &str| text.as_bytes().to_vec();
        let encode: &dyn Fn(&str) -> Vec<u8> = if encoding == "utf8" { &narrow } else { &wide };
        let last = match what {
            "wide at its end" if bytes > 0 => encode("\u{20ac}"),
            _ => Vec::new(),
        };
        let length = match encoding {
            "utf8" => bytes,
            "utf16" => bytes / 2,
            _ => (bytes / 2) | (1 << 31),
        };
        let pattern = encode(letters);
        assert_eq!(pattern.len(), 8);
        Self {
            encoding,
            pattern,
            last,
            bytes,
            length,
        }
    }

    /// A rule that hands it over so many times.
    pub(super) fn handing(&self, to: &str, calls: u32) -> String {
        let Self {
            encoding,
            bytes,
            length,
            ..
        } = self;
        let escaped =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
        let end = 1_048_576 + bytes - self.last.len() as u32;
        let (pattern, last) = (escaped(&self.pattern), escaped(&self.last));
        format!(
            r#"(component
  (component $taker
    (core module $module
      (memory (export "memory") 200)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "take") (param i32 i32)))
    (core instance $core (instantiate $module))
    (func (export "take") (param "text" string)
      (canon lift (core func $core "take") (memory (core memory $core "memory"))
        (realloc (core func $core "realloc")) string-encoding={to})))
  (instance $taker (instantiate $taker))
  (component $giver
    (import "take" (func $take (param "text" string)))
;; include: types
    (core module $memory (memory (export "memory") 200)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (unreachable)))
    (core instance $memory (instantiate $memory))
    (core func $take (canon lower (func $take) (memory (core memory $memory "memory"))
      (realloc (core func $memory "realloc")) string-encoding={encoding}))
    (core module $module
      (import "memory" "memory" (memory $memory 200))
      (import "taker" "take" (func $take (param i32 i32)))
;; include: realloc manifest describe
      (export "memory" (memory $memory))
      (data (i32.const 1048576) "{pattern}")
      (func (export "handle") (param i32) (result i32) (local $n i32)
        (local.set $n (i32.const 8))
        (loop $fill
          (memory.copy (i32.add (i32.const 1048576) (local.get $n)) (i32.const 1048576) (local.get $n))
          (local.set $n (i32.shl (local.get $n) (i32.const 1)))
          (br_if $fill (i32.lt_u (local.get $n) (i32.const 2000000))))
        (memory.init $last (i32.const {end}) (i32.const 0) (i32.const {last_bytes}))
        (local.set $n (i32.const {calls}))
        (block $done (br_if $done (i32.eqz (local.get $n)))
          (loop $again
            (call $take (i32.const 1048576) (i32.const {length}))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (i32.const 160))
      (data $last "{last}"))
    (core instance $rule (instantiate $module
      (with "memory" (instance $memory))
      (with "taker" (instance (export "take" (func $take))))))
;; include: lift
  )
  (instance $inner (instantiate $giver (with "take" (func $taker "take"))))
;; include: reexport
)"#,
            last_bytes = self.last.len(),
        )
    }
}

/// The taker's function that is called with handles.
pub(super) const HANDLES: [(&str, &str); 2] = [
    ("a handle made, handed over and dropped", "own"),
    ("a handle made, lent and dropped", "borrow"),
];
/// How many are lent at once, of those that a third component made.
pub(super) const LENT: usize = 16;

/// Lends a handle often to who must give it back.
pub(super) fn lending(calls: u32) -> String {
    let each = |text: &str| text.repeat(LENT);
    let taken: String = (0..LENT)
        .map(|n| format!("(call $drop (local.get {n}))"))
        .collect();
    let params: String = (0..LENT)
        .map(|n| format!("(param \"p{n}\" (borrow $thing))"))
        .collect();
    format!(
        r#"(component
  (component $maker
    (type $inner (resource (rep i32)))
    (export $outer "thing" (type $inner))
    (core func $new (canon resource.new $inner))
    (core module $module
      (import "host" "new" (func $new (param i32) (result i32)))
      (func (export "make") (result i32) (call $new (i32.const 1))))
    (core instance $core (instantiate $module (with "host" (instance (export "new" (func $new))))))
    (func (export "make") (result (own $outer)) (canon lift (core func $core "make"))))
  (instance $maker (instantiate $maker))
  (component $taker
    (import "thing" (type $thing (sub resource)))
    (core func $drop (canon resource.drop $thing))
    (core module $module
      (import "host" "drop" (func $drop (param i32)))
      (func (export "take") (param {i32s}) {taken}))
    (core instance $core (instantiate $module (with "host" (instance (export "drop" (func $drop))))))
    (func (export "take") {params} (canon lift (core func $core "take"))))
  (alias export $maker "thing" (type $thing))
  (instance $taker (instantiate $taker (with "thing" (type $thing))))
  (component $giver
    (import "thing" (type $thing (sub resource)))
    (import "make" (func $make (result (own $thing))))
    (import "take" (func $take {params}))
;; include: types
    (core func $make (canon lower (func $make)))
    (core func $take (canon lower (func $take)))
    (core module $module
      (import "taker" "make" (func $make (result i32)))
      (import "taker" "take" (func $take (param {i32s})))
;; include: component-rule
      (func (export "handle") (param i32) (result i32) (local $n i32) (local $h i32)
        (local.set $n (i32.const {calls}))
        (local.set $h (call $make))
        (block $done (br_if $done (i32.eqz (local.get $n)))
          (loop $again
            (call $take {lent})
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (i32.const 160)))
    (core instance $rule (instantiate $module (with "taker" (instance
      (export "make" (func $make)) (export "take" (func $take))))))
;; include: lift
  )
  (instance $inner (instantiate $giver
    (with "thing" (type $thing))
    (with "make" (func $maker "make")) (with "take" (func $taker "take"))))
;; include: reexport
)"#,
        i32s = each("i32 "),
        lent = each("(local.get $h)"),
    )
}

/// Makes and drops one in a component alone, where nothing is handed over.
pub(super) fn alone(calls: u32) -> String {
    format!(
        r#"(component
;; include: types
  (type $resource (resource (rep i32)))
  (core func $new (canon resource.new $resource))
  (core func $drop (canon resource.drop $resource))
  (core module $module
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
;; include: component-rule
    (func (export "handle") (param i32) (result i32) (local $n i32)
      (local.set $n (i32.const {calls}))
      (block $done (br_if $done (i32.eqz (local.get $n)))
        (loop $again
          (call $drop (call $new (i32.const 1)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (i32.const 160)))
  (core instance $rule (instantiate $module (with "host" (instance
    (export "new" (func $new)) (export "drop" (func $drop))))))
;; include: lift
)"#
    )
}

pub(super) fn handles(take: &str, calls: u32) -> String {
    let dropped = match take {
        "own" => "",
        _ => "(call $drop (local.get $handle))",
    };
    let taken = match take {
        "own" => "(call $drop (local.get 0))",
        _ => "",
    };
    format!(
        r#"(component
  (component $taker
    (type $inner (resource (rep i32)))
    (export $outer "thing" (type $inner))
    (core func $new (canon resource.new $inner))
    (core func $drop (canon resource.drop $inner))
    (core module $module
      (import "host" "new" (func $new (param i32) (result i32)))
      (import "host" "drop" (func $drop (param i32)))
      (func (export "make") (result i32) (call $new (i32.const 1)))
      (func (export "take") (param i32) {taken}))
    (core instance $core (instantiate $module (with "host" (instance
      (export "new" (func $new)) (export "drop" (func $drop))))))
    (func (export "make") (result (own $outer)) (canon lift (core func $core "make")))
    (func (export "take") (param "thing" ({take} $outer)) (canon lift (core func $core "take"))))
  (instance $taker (instantiate $taker))
  (component $giver
    (import "taker" (instance $taker
      (export "thing" (type $thing (sub resource)))
      (export "make" (func (result (own $thing))))
      (export "take" (func (param "thing" ({take} $thing))))))
    (alias export $taker "thing" (type $thing))
;; include: types
    (core func $make (canon lower (func $taker "make")))
    (core func $take (canon lower (func $taker "take")))
    (core func $drop (canon resource.drop $thing))
    (core module $module
      (import "taker" "make" (func $make (result i32)))
      (import "taker" "take" (func $take (param i32)))
      (import "taker" "drop" (func $drop (param i32)))
;; include: component-rule
      (func (export "handle") (param i32) (result i32) (local $n i32) (local $handle i32)
        (local.set $n (i32.const {calls}))
        (block $done (br_if $done (i32.eqz (local.get $n)))
          (loop $again
            (local.set $handle (call $make))
            (call $take (local.get $handle))
            {dropped}
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (i32.const 160)))
    (core instance $rule (instantiate $module (with "taker" (instance
      (export "make" (func $make)) (export "take" (func $take)) (export "drop" (func $drop))))))
;; include: lift
  )
  (instance $inner (instantiate $giver (with "taker" (instance $taker))))
;; include: reexport
)"#
    )
}

/// What ordinary code takes, for comparison.
pub(super) const OTHERS: [(&str, &str); 3] = [
    ("(an empty loop)", ""),
    (
        "(a page of memory copied)",
        "(memory.copy (i32.const 131072) (i32.const 65536) (i32.const 65536))",
    ),
    ("(asking the host for the time)", "(drop (call $now))"),
];

pub(super) fn other(code: &str, calls: u32) -> String {
    format!(
        r#"(module
;; include: imports memory realloc manifest describe
  (func (export "handle") (param i32) (result i32) (local $n i32)
    (drop (memory.grow (i32.const 4)))
    (local.set $n (i32.const {calls}))
    (block $done (br_if $done (i32.eqz (local.get $n)))
      (loop $again {code}
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (i32.const 160)))"#
    )
}
