//! One tenant's counts: executions by rule, and what they set off.

use std::collections::HashMap;

use ringfence_model::{AnomalyEdge, Reproduction, RuleName};

use super::decay::Decay;
use super::graph::{Entry, dominant};
use super::{EdgePulse, PulseConfig, PulseView, RulePulse};

/// Pairs of rules of one tenant of which one sets off the other, at most.
/// Beyond it new pairs are not counted until the lightest are given up, which
/// each look does. With event types some 3 MB for who tries.
pub(super) const LINKS_MAX: usize = 2_048;

/// Event types that are told apart for one such pair. Beyond it a new type
/// takes the place of the rarest, with its count (Metwally, Agrawal and El
/// Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
/// Streams", ICDT 2005). The pair's own count is exact however many there are.
const TYPES_MAX: usize = 4;

/// What counts less than this, of one run, is forgotten.
const FORGOTTEN: f64 = 0.01;

/// Rules and edges that are shown, those with the most.
const SHOWN_MAX: usize = 100;

/// How many standard deviations a reproduction number has to be above the
/// threshold: at 3, chance alone gets there in one of 700 looks.
const DEVIATIONS: f64 = 3.0;

#[derive(Debug)]
pub(super) struct Counts {
    decay: Decay,
    rules: HashMap<RuleName, RuleCounts>,
    links: usize,
}

#[derive(Debug, Default)]
struct RuleCounts {
    executions: f64,
    causes: HashMap<RuleName, Link>,
}

/// That runs of one rule set off runs of another.
#[derive(Debug, Default)]
struct Link {
    count: f64,
    types: Vec<(Box<str>, f64)>,
    latest_us: u64,
}

/// What a look at the counts finds.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) reproduction: Reproduction,
    /// When a run of the cycle set off another, in microseconds since 1970.
    pub(super) latest_us: u64,
}

impl Counts {
    pub(super) fn new(half_life_us: u64, now_us: u64) -> Self {
        Self {
            decay: Decay::new(half_life_us, now_us),
            rules: HashMap::new(),
            links: 0,
        }
    }

    pub(super) fn ran(&mut self, rule: &RuleName, now_us: u64) {
        self.renew(now_us);
        let weight = self.decay.weight(now_us);
        match self.rules.get_mut(rule) {
            Some(counts) => counts.executions += weight,
            None => self.rule(rule).executions += weight,
        }
    }

    pub(super) fn caused<'a>(
        &mut self,
        rule: &RuleName,
        event_type: &str,
        caused: impl IntoIterator<Item = &'a RuleName>,
        ran_us: u64,
        now_us: u64,
    ) {
        self.renew(now_us);
        let weight = self.decay.weight(ran_us.min(now_us));
        let mut links = self.links;
        let causes = &mut self.rule(rule).causes;
        for other in caused {
            let link = match causes.get_mut(other) {
                Some(link) => link,
                None if links < LINKS_MAX => {
                    links += 1;
                    causes.entry(other.clone()).or_default()
                }
                None => continue,
            };
            link.add(event_type, weight);
            link.latest_us = link.latest_us.max(now_us);
        }
        self.links = links;
    }

    pub(super) fn forget(&mut self, rule: &RuleName) {
        self.rules.remove(rule);
        for counts in self.rules.values_mut() {
            counts.causes.remove(rule);
        }
        self.count_links();
    }

    fn rule(&mut self, rule: &RuleName) -> &mut RuleCounts {
        self.rules.entry(rule.clone()).or_default()
    }

    fn renew(&mut self, now_us: u64) {
        if let Some(factor) = self.decay.renew(now_us) {
            for counts in self.rules.values_mut() {
                counts.executions *= factor;
                for link in counts.causes.values_mut() {
                    link.count *= factor;
                    link.types
                        .iter_mut()
                        .for_each(|(_, count)| *count *= factor);
                }
            }
        }
    }

    /// Gives up what hardly counts any more, and, if there are too many pairs,
    /// the lighter half of them. Whether anything is left.
    pub(super) fn tidy(&mut self, now_us: u64) -> bool {
        self.renew(now_us);
        let least = FORGOTTEN * self.decay.weight(now_us);
        let mut bound = least;
        if self.links >= LINKS_MAX {
            let links = self.rules.values().flat_map(|rule| rule.causes.values());
            let mut counts: Vec<f64> = links.map(|link| link.count).collect();
            let middle = counts.len() / 2;
            let (_, median, _) = counts.select_nth_unstable_by(middle, f64::total_cmp);
            bound = bound.max(*median);
        }
        self.rules.retain(|_, counts| {
            counts.causes.retain(|_, link| link.count > bound);
            counts.executions > least || !counts.causes.is_empty()
        });
        self.count_links();
        !self.rules.is_empty()
    }

    fn count_links(&mut self) {
        self.links = self.rules.values().map(|rule| rule.causes.len()).sum();
    }

    /// The reproduction number and the strongest cycle; none without one.
    pub(super) fn look(&self, config: &PulseConfig, now_us: u64) -> Option<Found> {
        if self.links == 0 {
            return None;
        }
        let scale = self.decay.weight(now_us);
        let mut places: HashMap<&RuleName, usize> = HashMap::with_capacity(self.rules.len());
        let mut entries = Vec::with_capacity(self.links);
        let mut links = Vec::with_capacity(self.links);
        for (rule, counts) in &self.rules {
            for (other, link) in &counts.causes {
                let mut place = |name| {
                    let next = places.len();
                    *places.entry(name).or_insert(next)
                };
                entries.push(Entry {
                    from: place(rule),
                    to: place(other),
                    number: number(link.count / scale, counts.executions / scale),
                });
                links.push((rule, other, link));
            }
        }
        let found = dominant(places.len(), &entries)?;
        let cycle = found.cycle.iter().map(|at| (links[*at], entries[*at]));
        let executions: f64 = cycle
            .clone()
            .filter_map(|((rule, ..), _)| self.rules.get(rule))
            .map(|counts| counts.executions / scale)
            .sum();
        let latest_us = cycle.clone().map(|((.., link), _)| link.latest_us).max();
        let cycle = cycle.map(|((rule, other, link), entry)| AnomalyEdge {
            rule: rule.clone(),
            event_type: link.main_type().to_owned(),
            causes: other.clone(),
            number: rounded(entry.number),
        });
        Some(Found {
            reproduction: Reproduction {
                number: found.number,
                at_least: at_least(found.number, executions),
                peak: found.number,
                threshold: config.threshold,
                executions: executions as u64,
                cycle: cycle.collect(),
            },
            latest_us: latest_us.unwrap_or(0),
        })
    }

    /// What is known, the most first.
    pub(super) fn view(&self, config: &PulseConfig, now_us: u64) -> PulseView {
        let scale = self.decay.weight(now_us);
        let (mut rules, mut edges) = (Vec::new(), Vec::new());
        for (rule, counts) in &self.rules {
            let executions = counts.executions / scale;
            let caused: f64 = counts.causes.values().map(|link| link.count / scale).sum();
            rules.push(RulePulse {
                rule: rule.clone(),
                executions: rounded(executions),
                caused: rounded(caused),
                number: rounded(number(caused, executions)),
            });
            for (other, link) in &counts.causes {
                edges.extend(link.types.iter().map(|(ty, count)| EdgePulse {
                    rule: rule.clone(),
                    event_type: ty.to_string(),
                    causes: other.clone(),
                    caused: rounded(count / scale),
                    number: rounded(number(count / scale, executions)),
                }));
            }
        }
        rules.sort_by(|a, b| {
            b.executions
                .total_cmp(&a.executions)
                .then_with(|| a.rule.cmp(&b.rule))
        });
        edges.sort_by(|a, b| {
            b.caused
                .total_cmp(&a.caused)
                .then_with(|| a.rule.cmp(&b.rule))
        });
        let truncated = rules.len() > SHOWN_MAX || edges.len() > SHOWN_MAX;
        rules.truncate(SHOWN_MAX);
        edges.truncate(SHOWN_MAX);
        let found = self.look(config, now_us);
        PulseView {
            number: found.map_or(0.0, |found| rounded(found.reproduction.number)),
            supercritical_since_us: None,
            rules,
            edges,
            truncated,
        }
    }
}

impl Link {
    fn add(&mut self, event_type: &str, weight: f64) {
        self.count += weight;
        let mut types = self.types.iter_mut();
        if let Some((_, count)) = types.find(|(ty, _)| **ty == *event_type) {
            *count += weight;
        } else if self.types.len() < TYPES_MAX {
            self.types.push((event_type.into(), weight));
        } else if let Some(rarest) = self.types.iter_mut().min_by(|a, b| a.1.total_cmp(&b.1)) {
            *rarest = (event_type.into(), rarest.1 + weight);
        }
    }

    fn main_type(&self) -> &str {
        let most = self.types.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        most.map_or("", |(ty, _)| ty)
    }
}

/// How many runs one run sets off. With the one, a countdown, whose every run
/// sets off one at most, stays below 1 for as long as it runs.
fn number(caused: f64, executions: f64) -> f64 {
    caused / (executions + 1.0)
}

/// The lower end of what a number seen over so many runs may really be: what
/// runs set off is taken for Poisson, so that the variance of the geometric
/// mean along the cycle is the number over the runs of all its rules.
fn at_least(number: f64, executions: f64) -> f64 {
    (number - DEVIATIONS * (number / executions.max(1.0)).sqrt()).max(0.0)
}

/// To thousandths: the rest says nothing.
pub(super) fn rounded(number: f64) -> f64 {
    // Plus nothing: a sum of none is -0.0 otherwise.
    (number * 1_000.0).round() / 1_000.0 + 0.0
}
