#![allow(clippy::all, missing_docs, clippy::unwrap_used)]
fn main() {
    let a: Vec<_> = std::env::args().collect();
    std::fs::write(
        &a[2],
        wat::parse_str(std::fs::read_to_string(&a[1]).unwrap()).unwrap(),
    )
    .unwrap();
}
