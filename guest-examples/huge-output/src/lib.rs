//! Attack: returns far more than allowed.

use ringfence::prelude::*;

/// Four times what is allowed.
const REPORT_BYTES: usize = 256 * 1024;

/// Returns an action of 256 KiB: stopped with `output-too-large`.
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
