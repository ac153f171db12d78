//! Which rules set off which, as a matrix, and its spectral radius.
//!
//! The next-generation matrix and its spectral radius as the reproduction
//! number: Diekmann, Heesterbeek and Metz, "On the definition and the
//! computation of the basic reproduction ratio R0", J. Math. Biol. 28 (1990);
//! van den Driessche and Watmough, Math. Biosci. 180 (2002).
//!
//! The spectral radius of a matrix is the greatest of those of its strongly
//! connected parts (Tarjan, "Depth-first search and linear graph algorithms",
//! 1972), so what only hangs on a cycle, or leads to it, does not count. Of a
//! part it is bounded by min (Kx)_i / x_i from below and max (Kx)_i / x_i from
//! above for any positive x (Collatz 1942, Wielandt 1950). The answer is such a
//! lower bound, or the geometric mean of a cycle, which is one too: it is never
//! greater than the true number.

/// How close the bounds have to be, in parts of the upper one.
const PRECISION: f64 = 1e-4;

/// Turns of the iteration. A part whose bounds are still apart then is
/// answered by its lower bound.
const TURNS_MAX: usize = 256;

/// One entry of the matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Whose runs.
    pub(super) from: usize,
    /// What they set off.
    pub(super) to: usize,
    /// How many of it each.
    pub(super) number: f64,
}

/// What grows most.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dominant {
    /// The spectral radius.
    pub(super) number: f64,
    /// Entries, by their index, that make one full turn.
    pub(super) cycle: Vec<usize>,
}

/// The spectral radius, with the strongest cycle of the part that has it; none
/// if there is no cycle. Nodes are numbered from 0 to `nodes` - 1.
pub(super) fn dominant(nodes: usize, entries: &[Entry]) -> Option<Dominant> {
    let part_of = parts(nodes, entries);
    let mut inner: Vec<usize> = (0..entries.len())
        .filter(|at| {
            let entry = entries[*at];
            entry.number > 0.0 && part_of[entry.from] == part_of[entry.to]
        })
        .collect();
    inner.sort_by_key(|at| part_of[entries[*at].from]);
    inner
        .chunk_by(|one, other| part_of[entries[*one].from] == part_of[entries[*other].from])
        .filter_map(|part| of_part(entries, part))
        .max_by(|one, other| one.number.total_cmp(&other.number))
}

/// The spectral radius of one strongly connected part.
fn of_part(entries: &[Entry], part: &[usize]) -> Option<Dominant> {
    // Numbered anew, so that the work is in proportion to the part.
    let mut nodes: Vec<usize> = part.iter().map(|at| entries[*at].from).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let place = |node| nodes.binary_search(&node).ok();
    let mut local = Vec::with_capacity(part.len());
    for at in part {
        let entry = entries[*at];
        let (from, to) = (place(entry.from)?, place(entry.to)?);
        local.push(Entry { from, to, ..entry });
    }
    let (lower, vector) = iterate(nodes.len(), &local);
    let cycle = strongest_cycle(&local, &vector);
    let logs = cycle.iter().map(|at| local[*at].number.ln()).sum::<f64>();
    let mean = (logs / cycle.len().max(1) as f64).exp();
    Some(Dominant {
        number: if cycle.is_empty() {
            lower
        } else {
            lower.max(mean)
        },
        cycle: cycle.into_iter().map(|at| part[at]).collect(),
    })
}

/// Power iteration on K + sI, where s is about the spectral radius: with it,
/// parts that are periodic, such as ping and pong, converge too.
fn iterate(nodes: usize, entries: &[Entry]) -> (f64, Vec<f64>) {
    let mut x = vec![1.0 / nodes as f64; nodes];
    let mut y = vec![0.0; nodes];
    let mut best = 0.0_f64;
    for _ in 0..TURNS_MAX {
        y.fill(0.0);
        for entry in entries {
            y[entry.to] += entry.number * x[entry.from];
        }
        let ratios = y.iter().zip(&x).map(|(y, x)| y / x);
        let (lower, upper) = ratios.fold((f64::INFINITY, 0.0_f64), |(lower, upper), ratio| {
            (lower.min(ratio), upper.max(ratio))
        });
        best = best.max(lower);
        if upper - lower <= PRECISION * upper {
            break;
        }
        let growth: f64 = y.iter().sum();
        let total = 2.0 * growth;
        for (x, y) in x.iter_mut().zip(&y) {
            *x = (y + growth * *x) / total;
        }
    }
    (best, x)
}

/// Follows the heaviest contributions back until one repeats.
fn strongest_cycle(entries: &[Entry], vector: &[f64]) -> Vec<usize> {
    let mut heaviest: Vec<Option<(f64, usize)>> = vec![None; vector.len()];
    for (at, entry) in entries.iter().enumerate() {
        let weight = entry.number * vector[entry.from];
        let known = &mut heaviest[entry.to];
        if known.is_none_or(|(known, _)| weight > known) {
            *known = Some((weight, at));
        }
    }
    let start = (0..vector.len()).max_by(|one, other| vector[*one].total_cmp(&vector[*other]));
    let Some(mut node) = start else {
        return Vec::new();
    };
    let mut path = Vec::new();
    let mut seen = vec![None; vector.len()];
    while seen[node].is_none() {
        seen[node] = Some(path.len());
        let Some((_, at)) = heaviest[node] else {
            return Vec::new();
        };
        path.push(at);
        node = entries[at].from;
    }
    let mut cycle = path.split_off(seen[node].unwrap_or(0));
    cycle.reverse();
    cycle
}

/// Tarjan's algorithm, without recursion: for each node the number of its
/// strongly connected part.
fn parts(nodes: usize, entries: &[Entry]) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for entry in entries {
        next[entry.from].push(entry.to);
    }
    let (mut order, mut low) = (vec![NONE; nodes], vec![0; nodes]);
    let mut part_of = vec![NONE; nodes];
    let (mut counter, mut part) = (0, 0);
    let mut open = Vec::new();
    for root in 0..nodes {
        if order[root] != NONE {
            continue;
        }
        let mut visits = vec![(root, 0)];
        while let Some((node, at)) = visits.last_mut() {
            let node = *node;
            if *at == 0 {
                (order[node], low[node]) = (counter, counter);
                counter += 1;
                open.push(node);
            }
            if let Some(&to) = next[node].get(*at) {
                *at += 1;
                if order[to] == NONE {
                    visits.push((to, 0));
                } else if part_of[to] == NONE {
                    low[node] = low[node].min(order[to]);
                }
                continue;
            }
            visits.pop();
            if let Some((parent, _)) = visits.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == order[node] {
                while let Some(member) = open.pop() {
                    part_of[member] = part;
                    if member == node {
                        break;
                    }
                }
                part += 1;
            }
        }
    }
    part_of
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
