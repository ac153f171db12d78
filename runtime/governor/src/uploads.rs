//! Uploads: which is compiled next.
//!
//! Compiling takes a core for seconds, so few are compiled at one moment, and
//! each tenant has a bound of its own. Who waits, waits in its tenant's line;
//! tenants take turns. An upload has a place from before its body is read, so
//! that bodies that wait are bounded like everything else.

use std::collections::{HashMap, VecDeque};

use ringfence_model::TenantId;

/// No tenant takes more than this part of the places and of the bytes, so
/// that others find room. One upload alone may be larger.
const TENANT_PART: u64 = 4;

/// How much there may be of all uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadBounds {
    /// Compiled at one moment; at least 1.
    pub at_once: u64,
    /// Arriving, waiting and compiled.
    pub places: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

/// Names an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId(u64);

/// There is no room for one more now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded {
    /// `uploads` or `bytes of uploads`.
    pub what: &'static str,
    /// Whether all that is there is the tenant's own.
    pub of_tenant: bool,
    /// How much is there.
    pub usage: u64,
    /// How much may be there.
    pub limit: u64,
}

/// All uploads that are not finished.
#[derive(Debug)]
pub struct Uploads {
    bounds: UploadBounds,
    entries: HashMap<UploadId, Entry>,
    lines: HashMap<TenantId, Line>,
    /// Tenants with a line, each once; whose turn it is comes first.
    turns: VecDeque<TenantId>,
    bytes: u64,
    compiling: u64,
    ids: u64,
}

#[derive(Debug)]
struct Entry {
    tenant: TenantId,
    bytes: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Arriving,
    Waiting,
    Compiling,
}

/// A tenant's uploads.
#[derive(Debug, Default)]
struct Line {
    places: u64,
    bytes: u64,
    at_once: u64,
    compiling: u64,
    waiting: VecDeque<UploadId>,
}

impl Uploads {
    /// Without uploads.
    pub fn new(bounds: UploadBounds) -> Self {
        Self {
            bounds,
            entries: HashMap::new(),
            lines: HashMap::new(),
            turns: VecDeque::new(),
            bytes: 0,
            compiling: 0,
            ids: 0,
        }
    }

    /// Gives an upload of this size a place, before its body is read.
    ///
    /// # Errors
    /// When the tenant, or all tenants together, have too many.
    pub fn enter(&mut self, tenant: &TenantId, bytes: u64) -> Result<UploadId, Crowded> {
        let (places, held) = self
            .lines
            .get(tenant)
            .map_or((0, 0), |line| (line.places, line.bytes));
        let part = |bound: u64| (bound / TENANT_PART).max(1);
        let bounds = self.bounds;
        // An upload alone is allowed whatever its size.
        let own = |bytes: u64| if places == 0 { u64::MAX } else { part(bytes) };
        let all = if self.entries.is_empty() {
            u64::MAX
        } else {
            bounds.bytes
        };
        let (uploads, sizes) = ("uploads", "bytes of uploads");
        for (what, of_tenant, usage, more, limit) in [
            (uploads, true, places, 1, part(bounds.places)),
            (sizes, true, held, bytes, own(bounds.bytes)),
            (uploads, false, self.entries.len() as u64, 1, bounds.places),
            (sizes, false, self.bytes, bytes, all),
        ] {
            if usage.saturating_add(more) > limit {
                return Err(Crowded {
                    what,
                    of_tenant,
                    usage,
                    limit,
                });
            }
        }
        self.ids += 1;
        let id = UploadId(self.ids);
        let line = self.lines.entry(tenant.clone()).or_default();
        line.places += 1;
        line.bytes += bytes;
        self.bytes += bytes;
        let entry = Entry {
            tenant: tenant.clone(),
            bytes,
            state: State::Arriving,
        };
        self.entries.insert(id, entry);
        Ok(id)
    }

    /// Its body is here, and it waits at the end of its tenant's line, of
    /// which so many may be compiled at one moment.
    pub fn line_up(&mut self, id: UploadId, at_once: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.state != State::Arriving {
            return;
        }
        entry.state = State::Waiting;
        if let Some(line) = self.lines.get_mut(&entry.tenant) {
            line.at_once = at_once.max(1);
            if line.waiting.is_empty() {
                self.turns.push_back(entry.tenant.clone());
            }
            line.waiting.push_back(id);
        }
    }

    /// Which is to be compiled now, beside those that are, if any may.
    // Not an iterator: what is next changes with every call of the others.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<UploadId> {
        if self.compiling >= self.bounds.at_once {
            return None;
        }
        let lines = &mut self.lines;
        let free = |tenant: &TenantId| {
            let line = lines.get(tenant);
            line.is_some_and(|line| line.compiling < line.at_once)
        };
        let at = self.turns.iter().position(free)?;
        let tenant = self.turns.remove(at)?;
        let line = lines.get_mut(&tenant)?;
        let id = line.waiting.pop_front()?;
        line.compiling += 1;
        if !line.waiting.is_empty() {
            self.turns.push_back(tenant);
        }
        self.compiling += 1;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = State::Compiling;
        }
        Some(id)
    }

    /// How many have a place and are not compiled, and how many are compiled.
    pub fn counts(&self) -> (u64, u64) {
        let there = self.entries.len() as u64;
        (there - self.compiling, self.compiling)
    }

    /// It is finished, or nobody waits for it any more.
    pub fn leave(&mut self, id: UploadId) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        self.bytes -= entry.bytes;
        if entry.state == State::Compiling {
            self.compiling -= 1;
        }
        let Some(line) = self.lines.get_mut(&entry.tenant) else {
            return;
        };
        line.places -= 1;
        line.bytes -= entry.bytes;
        match entry.state {
            State::Arriving => {}
            State::Compiling => line.compiling -= 1,
            State::Waiting => {
                line.waiting.retain(|other| *other != id);
                if line.waiting.is_empty() {
                    self.turns.retain(|tenant| *tenant != entry.tenant);
                }
            }
        }
        if line.places == 0 {
            self.lines.remove(&entry.tenant);
        }
    }
}

#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
