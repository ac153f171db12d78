use ringfence::prelude::*;

#[derive(Deserialize, Schema)]
struct Pair(u8, u8);

#[derive(Deserialize, Schema)]
enum Shape {
    Round { radius: u8 },
}

#[derive(Deserialize, Schema)]
struct Flat {
    #[serde(flatten)]
    rest: Value,
}

fn main() {}
