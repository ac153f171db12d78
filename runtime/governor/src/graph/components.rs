//! Strongly connected components: rules that can all set each other off.
//! R. Tarjan, "Depth-first search and linear graph algorithms", SIAM Journal
//! on Computing 1 (1972), without recursion.

use super::search::{Cut, Links, Steps};

const UNSEEN: u32 = u32::MAX;

/// The components of two rules or more, among the rules given.
pub(super) fn components(
    links: &Links,
    rules: &[u32],
    steps: &mut Steps,
) -> Result<Vec<Vec<u32>>, Cut> {
    steps.take(links.len() / 16 + rules.len())?;
    let mut tarjan = Tarjan {
        order: vec![UNSEEN; links.len()],
        low: vec![UNSEEN; links.len()],
        open: vec![false; links.len()],
        among: vec![false; links.len()],
        stack: Vec::new(),
        next: 0,
        found: Vec::new(),
    };
    for rule in rules {
        tarjan.among[*rule as usize] = true;
    }
    for rule in rules {
        if tarjan.order[*rule as usize] == UNSEEN {
            tarjan.visit(links, *rule, steps)?;
        }
    }
    Ok(tarjan.found)
}

struct Tarjan {
    /// In which order rules were seen first.
    order: Vec<u32>,
    /// The first in that order that is known to be reached from each.
    low: Vec<u32>,
    /// Whether a rule is on the stack.
    open: Vec<bool>,
    among: Vec<bool>,
    stack: Vec<u32>,
    next: u32,
    found: Vec<Vec<u32>>,
}

impl Tarjan {
    fn enter(&mut self, rule: u32) {
        let at = rule as usize;
        (self.order[at], self.low[at], self.open[at]) = (self.next, self.next, true);
        self.next += 1;
        self.stack.push(rule);
    }

    fn visit(&mut self, links: &Links, from: u32, steps: &mut Steps) -> Result<(), Cut> {
        let mut path = vec![(from, 0)];
        self.enter(from);
        while let Some((rule, next)) = path.last_mut() {
            let at = *rule as usize;
            steps.take(1)?;
            if let Some(to) = links[at].get(*next) {
                *next += 1;
                let to_at = *to as usize;
                if self.among[to_at] && self.order[to_at] == UNSEEN {
                    self.enter(*to);
                    path.push((*to, 0));
                } else if self.open[to_at] {
                    self.low[at] = self.low[at].min(self.order[to_at]);
                }
                continue;
            }
            path.pop();
            if let Some((before, _)) = path.last() {
                let before = *before as usize;
                self.low[before] = self.low[before].min(self.low[at]);
            }
            if self.low[at] == self.order[at] {
                self.close(at);
            }
        }
        Ok(())
    }

    /// Takes the component that begins at this rule off the stack.
    fn close(&mut self, root: usize) {
        let from = self.stack.iter().rposition(|rule| *rule as usize == root);
        let component = self.stack.split_off(from.unwrap_or(0));
        for rule in &component {
            self.open[*rule as usize] = false;
        }
        if component.len() > 1 {
            self.found.push(component);
        }
    }
}
