//! All elementary cycles. D. B. Johnson, "Finding all the elementary circuits
//! of a directed graph", SIAM Journal on Computing 4 (1975), without
//! recursion. From one cycle to the next, and to the end, it looks at each
//! edge a few times at most.

use super::components::components;
use super::search::{Cut, Found, Links};

/// Adds all cycles of two rules or more of these components, each from its
/// first rule on.
pub(super) fn all(
    links: &Links,
    mut components_left: Vec<Vec<u32>>,
    found: &mut Found,
) -> Result<(), Cut> {
    while let Some(component) = components_left.pop() {
        let Some(root) = component.iter().min().copied() else {
            continue;
        };
        through(links, root, &component, found)?;
        let rest: Vec<u32> = component.into_iter().filter(|r| *r != root).collect();
        components_left.extend(components(links, &rest, &mut found.steps)?);
    }
    Ok(())
}

/// Adds all cycles through one rule of a component, from that rule on.
pub(super) fn through(
    links: &Links,
    root: u32,
    component: &[u32],
    found: &mut Found,
) -> Result<(), Cut> {
    found.steps.take(links.len() / 16 + component.len())?;
    // What is not in the component stays blocked for ever.
    let mut search = Search {
        blocked: vec![true; links.len()],
        waiting: vec![Vec::new(); links.len()],
    };
    for rule in component {
        search.blocked[*rule as usize] = false;
    }
    search.blocked[root as usize] = true;
    let (mut path, mut next) = (vec![root], vec![(0, false)]);
    while let (Some(rule), Some((at, closed))) = (path.last().copied(), next.last_mut()) {
        found.steps.take(1)?;
        let Some(to) = links[rule as usize].get(*at).copied() else {
            let closed = *closed;
            next.pop();
            path.pop();
            search.leave(links, rule, closed, found)?;
            if let Some((_, before)) = next.last_mut() {
                *before |= closed;
            }
            continue;
        };
        *at += 1;
        if to == root {
            *closed = true;
            found.add(&path)?;
        } else if !search.blocked[to as usize] {
            search.blocked[to as usize] = true;
            path.push(to);
            next.push((0, false));
        }
    }
    Ok(())
}

struct Search {
    /// On the path, or known to lead to no cycle as long as what is on the
    /// path is.
    blocked: Vec<bool>,
    /// Who is free again once a rule is.
    waiting: Vec<Vec<u32>>,
}

impl Search {
    /// The path goes back from a rule from which cycles were closed, or not.
    fn leave(
        &mut self,
        links: &Links,
        rule: u32,
        closed: bool,
        found: &mut Found,
    ) -> Result<(), Cut> {
        if !closed {
            found.steps.take(links[rule as usize].len())?;
            // Being there twice costs a step that is counted, and changes
            // nothing.
            for to in &links[rule as usize] {
                self.waiting[*to as usize].push(rule);
            }
            return Ok(());
        }
        let mut free = vec![rule];
        while let Some(rule) = free.pop() {
            found.steps.take(1)?;
            if std::mem::take(&mut self.blocked[rule as usize]) {
                free.append(&mut self.waiting[rule as usize]);
            }
        }
        Ok(())
    }
}
