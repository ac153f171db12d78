//! What fuzzing calls: inputs of any bytes, of which the sandbox must make a
//! verdict, or who reads lineage tokens.
//!
//! The same four functions are run with fixed inputs by the tests, and with
//! evolving ones by the targets in `fuzz/`.

mod guests;
mod lineage;

use arbitrary::Unstructured;
use ringfence_model::{Json, Limits, StopCode};
use ringfence_sandbox::{Prepared, RunReport, UploadError};

use crate::stage::{event, tenant};
use crate::{Attack, End, Stage};

pub use lineage::lineage;

/// The largest input that is looked at, in bytes: what is larger is only
/// slower.
pub const INPUT_BYTES_MAX: usize = 32 * 1024;

/// Takes inputs.
pub struct Fuzz {
    stage: Stage,
    limits: Limits,
    /// Returns what its event says.
    echo: Prepared,
}

impl Fuzz {
    /// Sets up a sandbox that compiles in this process, so that what happens
    /// to the compiler is seen, too.
    ///
    /// # Panics
    /// When the host does not offer what the sandbox needs.
    pub fn new() -> Self {
        let limits = Limits {
            fuel: 1_000_000,
            memory_bytes: 8 << 20,
            deadline_ms: 30_000,
            ..Limits::default()
        };
        let stage = Stage::in_process(1);
        let echo = stage.upload(&guests::echo(), &limits);
        Self {
            echo: echo.expect("the echo is a rule"),
            stage,
            limits,
        }
    }

    /// The same, for a fuzzer that takes every panic for a find: what the
    /// sandbox contains is none.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn quiet() -> Self {
        // In place of the fuzzer's, which aborts; it does so as well where a
        // panic gets out of the function that it calls.
        std::panic::set_hook(Box::new(|_| {}));
        Self::new()
    }

    /// Uploads these bytes, as they are; and if they are a rule, runs it. Says
    /// how that ended; none if the input is too long to be looked at.
    ///
    /// # Panics
    /// When the end is not a verdict.
    pub fn upload(&self, bytes: &[u8]) -> Option<End> {
        if bytes.len() > INPUT_BYTES_MAX {
            return None;
        }
        let uploaded = self.stage.upload(bytes, &self.limits);
        let end = self.judge_upload(&uploaded);
        match uploaded {
            Ok(prepared) => Some(self.run(&prepared, &Json::empty_object()).0),
            Err(_) => Some(end),
        }
    }

    /// Makes a module of these bytes, and a rule whose `handle`, memory and
    /// `cabi_realloc` are the module's; runs it twice, and the second run must
    /// end as the first did. Says how that ended; none if the bytes do not make
    /// a module.
    ///
    /// # Panics
    /// When an end is not a verdict, or the rule is refused for what it is not.
    pub fn module(&self, bytes: &[u8]) -> Option<End> {
        let rule = guests::around(&mut Unstructured::new(bytes)).ok()?;
        let uploaded = self.stage.upload(&rule, &self.limits);
        let end = self.judge_upload(&uploaded);
        match uploaded {
            Ok(prepared) => Some(self.run_twice(&prepared)),
            // For its start function, its segments beyond the end, or a memory
            // beyond those that the exports need.
            Err(UploadError::DescribeFailed(_) | UploadError::TooComplex { .. }) => Some(end),
            Err(error) => panic!("a module of wasm-smith's is refused: {error}"),
        }
    }

    /// Has a rule return these bytes as its result: the first two are its
    /// address within them, and all lie in its memory. Says how that ended;
    /// none if the input is too long to be looked at.
    ///
    /// # Panics
    /// When the end is not a verdict.
    pub fn handle(&self, bytes: &[u8]) -> Option<End> {
        if bytes.len() > INPUT_BYTES_MAX {
            return None;
        }
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // In JSON, because an event holds nothing else.
        let data = Json::trusted(format!("\"{digits}\""));
        Some(self.run(&self.echo, &data).0)
    }

    fn judge_upload(&self, uploaded: &Result<Prepared, UploadError>) -> End {
        let attack = self.attack(match uploaded {
            Ok(_) => End::Harmless,
            Err(UploadError::DescribeFailed(stop)) => End::Describe(stop.code),
            Err(error) => End::Upload(error.code().into()),
        });
        if let Err(fault) = attack.judge_upload(uploaded) {
            panic!("{fault}");
        }
        attack.end
    }

    fn run(&self, prepared: &Prepared, data: &Json) -> (End, RunReport) {
        let tenant = tenant("mallory");
        let event = event(&tenant, "test.in", data.clone());
        let report = self.stage.run(&tenant, prepared, &event, &self.limits);
        let attack = self.attack(match &report.outcome {
            Ok(_) => End::Harmless,
            Err(stop) => End::Handle(stop.code),
        });
        if let Err(fault) = attack.judge_run(&report) {
            panic!("{fault}");
        }
        (attack.end, report)
    }

    fn run_twice(&self, prepared: &Prepared) -> End {
        let run = || {
            let (end, report) = self.run(prepared, &Json::empty_object());
            // What a trap is charged is measured, and differs.
            let counted = matches!(end, End::Harmless | End::Handle(StopCode::OutOfFuel));
            let fuel = counted.then_some(report.usage.fuel);
            let told = report.outcome.map_err(|stop| stop.message);
            (end, told, fuel, report.usage.memory_bytes, report.log)
        };
        let (first, second) = (run(), run());
        assert_eq!(first, second, "a run does not repeat itself");
        first.0
    }

    /// Of which only the end counts, and what must hold for every end.
    fn attack(&self, end: End) -> Attack {
        Attack {
            limits: self.limits.clone(),
            ..Attack::new("fuzz", "Is any bytes.", end)
        }
    }
}

impl Default for Fuzz {
    fn default() -> Self {
        Self::new()
    }
}

/// Inputs to begin with, by the target that they are for.
pub fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let uploads = crate::corpus().into_iter().map(|attack| attack.upload);
    let uploads = uploads.filter(|upload| upload.len() <= INPUT_BYTES_MAX);
    let modules = (0..32_u8).map(|seed| {
        let byte = |at: u32| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8 ^ seed;
        (0..2_048).map(byte).collect()
    });
    vec![
        ("upload", uploads.collect()),
        ("module", modules.collect()),
        ("handle", guests::results()),
        ("lineage", lineage::tokens()),
    ]
}
