//! Worker processes of one server: a lane for each of its threads that run
//! rules, and others for uploads' `describe`.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use ringfence_model::{Limits, Manifest, VersionId};
use ringfence_sandbox::{
    Describer, Interrupter, Progress, Runner, Runners, Sealed, Task, UploadError,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::lane::Lane;
use crate::child::Program;
use crate::confine::Layers;

/// How workers are set up.
#[derive(Debug, Clone)]
pub struct WorkersConfig {
    /// The greatest `Limits::memory_bytes` of any plan.
    pub memory_bytes_max: u64,
    /// Code that one worker holds, in bytes.
    pub code_bytes_max: u64,
    /// Address space of one worker beyond what it has once it is set up, which
    /// includes the memory of runs: for code, and for what is on its way.
    pub headroom_bytes: u64,
    /// Where tenants' data are that rules may read.
    pub tenant_data: Option<Arc<Dir>>,
    /// As of the sandbox that hands code over.
    pub reserve_growth: bool,
}

impl WorkersConfig {
    /// For so much memory of a run and so much code, in bytes, with twice as
    /// much address space as that code takes, and half a gigabyte.
    pub fn new(memory_bytes_max: u64, code_bytes_max: u64) -> Self {
        const ROOM: u64 = 512 * 1024 * 1024;
        Self {
            memory_bytes_max,
            code_bytes_max,
            headroom_bytes: code_bytes_max.saturating_mul(2).saturating_add(ROOM),
            tenant_data: None,
            reserve_growth: true,
        }
    }
}

/// Makes runs in worker processes.
pub struct Workers {
    setting: Arc<Setting>,
    /// Those that nobody uses at the moment.
    aside: Arc<Mutex<Vec<Lane>>>,
    layers: Layers,
}

/// Lanes beside the others that are kept while nobody uses them. How many are
/// used is bounded by who uses them.
const ASIDE_MAX: usize = 2;

/// What is needed to start a worker.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) program: Program,
    pub(super) config: WorkersConfig,
}

impl Workers {
    /// With this program as the workers. Starts the first of them, so it also
    /// tells whether there can be any.
    ///
    /// # Errors
    /// When a worker cannot be run or cannot confine itself.
    pub fn start(program: Program, config: WorkersConfig) -> io::Result<Self> {
        raise_descriptors();
        let setting = Arc::new(Setting { program, config });
        let mut aside = Lane::new(Arc::clone(&setting));
        let layers = aside.layers()?;
        Ok(Self {
            setting,
            aside: Arc::new(Mutex::new(vec![aside])),
            layers,
        })
    }

    /// What holds a worker on this host.
    pub fn layers(&self) -> Layers {
        self.layers
    }

    fn tending(&self, mut lane: Lane) -> io::Result<Box<dyn Runner>> {
        lane.layers()?;
        let aside = Arc::clone(&self.aside);
        Ok(Box::new(Tending { lane, aside }))
    }

    /// Works with a lane beside the others.
    fn aside<R>(&self, work: impl FnOnce(&mut Lane) -> R) -> R {
        // Lanes are whole when they are here.
        let idle = || self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = idle().pop();
        let mut lane = lane.unwrap_or_else(|| Lane::new(Arc::clone(&self.setting)));
        let worked = work(&mut lane);
        let mut idle = idle();
        if idle.len() < ASIDE_MAX {
            idle.push(lane);
        }
        worked
    }
}

/// Each version that is hot has a descriptor: as many are allowed as may be.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on descriptors cannot be raised");
    }
}

/// The lane of one of the server's threads, which also looks after those that
/// nobody uses.
struct Tending {
    lane: Lane,
    aside: Arc<Mutex<Vec<Lane>>>,
}

impl Runner for Tending {
    fn at_once(&self) -> usize {
        self.lane.at_once()
    }

    fn run(&mut self, tasks: &[Task<'_>], progress: &mut dyn Progress) {
        self.lane.run(tasks, progress);
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        self.lane.interrupter()
    }

    fn tend(&mut self) {
        self.lane.tend();
        // Another thread looks after them otherwise.
        if let Ok(mut aside) = self.aside.try_lock() {
            aside.iter_mut().for_each(Lane::reap);
        }
    }
}

impl Runners for Workers {
    fn runner(&self) -> io::Result<Box<dyn Runner>> {
        self.tending(Lane::new(Arc::clone(&self.setting)))
    }

    fn express_runner(&self) -> io::Result<Box<dyn Runner>> {
        self.tending(Lane::express(Arc::clone(&self.setting)))
    }

    fn are_in_this_process(&self) -> bool {
        false
    }
}

impl Describer for Workers {
    fn describe(
        &self,
        version: VersionId,
        code: &Arc<Sealed>,
        limits: &Limits,
    ) -> Result<Manifest, UploadError> {
        self.aside(|lane| lane.describe(version, code, limits))
    }
}
