//! Attack: returns far more than allowed.

use ringfence::prelude::*;

/// Twice what is allowed.
const REPORT_BYTES: usize = 128 * 1024;

/// Returns an action of 128 KiB: stopped with `output-too-large`.
#[rule(on = "report.requested", acts = "report.store")]
fn flood(ctx: &mut Context) -> Result<()> {
    ctx.act("report.store", &"x".repeat(REPORT_BYTES))
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::flood>("fixtures");
    }
}
