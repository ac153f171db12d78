//! Misuse of the attribute is refused where it was made. The expected
//! messages lie beside the cases; `TRYBUILD=overwrite` writes them anew.

#[test]
fn misuse_is_a_compile_error_at_the_right_place() {
    trybuild::TestCases::new().compile_fail("tests/it/refused/*.rs");
}
