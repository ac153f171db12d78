//! Cycles in the order of their length: for graphs with more cycles than
//! anybody reads, where the short ones say most.
//!
//! For each length in turn, all simple paths of that length that still can
//! close are followed (iterative deepening: R. E. Korf, "Depth-first
//! iterative-deepening", Artificial Intelligence 27, 1985). What can close is
//! known from distances back to the path's first rule.

use super::search::{Cut, Found, Links};

const NEVER: usize = usize::MAX;

/// Where cycles may begin, and which rules they may go through.
pub(super) struct Root<'a> {
    pub(super) rule: u32,
    /// The rule itself is among them.
    pub(super) within: &'a [u32],
}

/// Adds the cycles of two rules or more from these roots, the shortest first.
pub(super) fn growing(links: &Links, roots: &[Root<'_>], found: &mut Found) -> Result<(), Cut> {
    let mut back: Vec<Option<Vec<usize>>> = roots.iter().map(|_| None).collect();
    let longest = roots.iter().map(|root| root.within.len()).max();
    let sources = sources(links);
    for length in 2..=longest.unwrap_or(0) {
        for (root, back) in roots.iter().zip(&mut back) {
            if length > root.within.len() {
                continue;
            }
            if back.is_none() {
                *back = Some(distances(&sources, root, found)?);
            }
            if let Some(back) = back {
                of_length(links, root.rule, length, back, found)?;
            }
        }
    }
    Ok(())
}

/// Who leads to each rule.
fn sources(links: &Links) -> Vec<Vec<u32>> {
    let mut sources = vec![Vec::new(); links.len()];
    for (from, to) in (0_u32..).zip(links) {
        for to in to {
            sources[*to as usize].push(from);
        }
    }
    sources
}

/// How many edges it takes from each rule back to the root.
fn distances(sources: &[Vec<u32>], root: &Root<'_>, found: &mut Found) -> Result<Vec<usize>, Cut> {
    // Also what bounds the memory of all roots' distances together.
    found.steps.take(sources.len())?;
    let mut within = vec![false; sources.len()];
    for rule in root.within {
        within[*rule as usize] = true;
    }
    let mut distances = vec![NEVER; sources.len()];
    distances[root.rule as usize] = 0;
    let mut queue = std::collections::VecDeque::from([root.rule]);
    while let Some(rule) = queue.pop_front() {
        let distance = distances[rule as usize] + 1;
        found.steps.take(sources[rule as usize].len())?;
        for from in &sources[rule as usize] {
            let at = *from as usize;
            if within[at] && distances[at] == NEVER {
                distances[at] = distance;
                queue.push_back(*from);
            }
        }
    }
    Ok(distances)
}

fn of_length(
    links: &Links,
    root: u32,
    length: usize,
    back: &[usize],
    found: &mut Found,
) -> Result<(), Cut> {
    found.steps.take(links.len() / 16)?;
    let mut on_path = vec![false; links.len()];
    let (mut path, mut next) = (vec![root], vec![0]);
    while let (Some(rule), Some(at)) = (path.last().copied(), next.last_mut()) {
        found.steps.take(1)?;
        let Some(to) = links[rule as usize].get(*at).copied() else {
            on_path[rule as usize] = false;
            path.pop();
            next.pop();
            continue;
        };
        *at += 1;
        if to == root {
            if path.len() == length {
                found.add(&path)?;
            }
        } else if !on_path[to as usize] && path.len().saturating_add(back[to as usize]) <= length {
            on_path[to as usize] = true;
            path.push(to);
            next.push(0);
        }
    }
    Ok(())
}
