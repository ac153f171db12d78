//! What the bench is told on the command line.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use crate::case::{self, Case};

/// How tenants' work is ordered: the server's `order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Fair,
    Fifo,
}

impl Order {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fair => "fair",
            Self::Fifo => "fifo",
        }
    }

    /// The cases that are run with it if none is named: with `fifo`, those in
    /// which the order matters most.
    fn cases(self) -> Vec<Case> {
        let all = case::all().into_iter();
        match self {
            Self::Fair => all.collect(),
            Self::Fifo => all.filter(|case| case.is_main).collect(),
        }
    }
}

/// What the bench is told on the command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) orders: Vec<Order>,
    /// By their names; empty for those of the order.
    pub(crate) cases: Vec<String>,
    /// How long calm tenants are measured alone, and beside an attack.
    pub(crate) alone_s: f64,
    pub(crate) beside_s: f64,
    /// Calm events a second; half of what the host can do if it is not said.
    pub(crate) rate: Option<f64>,
    pub(crate) seed: u64,
    /// Whether rules that are mostly stopped are put in quarantine, as they
    /// are where nothing else is configured.
    pub(crate) quarantine: bool,
    /// Lines for the server's configuration.
    pub(crate) configuration: String,
    /// Where the report is written as JSON.
    pub(crate) json: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            orders: vec![Order::Fair, Order::Fifo],
            cases: Vec::new(),
            alone_s: 7.0,
            beside_s: 10.0,
            rate: None,
            seed: 1,
            quarantine: false,
            configuration: String::new(),
            json: None,
        }
    }
}

impl Options {
    /// Of these arguments.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().context("a value is missing");
            match argument.as_str() {
                "--order" => options.orders = orders(&value()?)?,
                "--case" => options.cases = value()?.split(',').map(str::to_owned).collect(),
                "--seconds" => {
                    options.beside_s = value()?.parse()?;
                    options.alone_s = options.beside_s * 0.7;
                }
                "--rate" => options.rate = Some(value()?.parse()?),
                "--seed" => options.seed = value()?.parse()?,
                "--quarantine" => options.quarantine = true,
                "--config" => options.configuration = std::fs::read_to_string(value()?)?,
                "--json" => options.json = Some(value()?.into()),
                other => bail!("`{other}` is not an option"),
            }
        }
        ensure!(options.beside_s > 0.0, "`--seconds` must be more than 0");
        let positive = options.rate.is_none_or(|rate| rate >= 1.0);
        ensure!(positive, "`--rate` must be at least 1");
        let known = case::all();
        for name in &options.cases {
            let is_known = known.iter().any(|case| case.name == *name);
            let names: Vec<_> = known.iter().map(|case| case.name).collect();
            ensure!(
                is_known,
                "`{name}` is no case; there are {}",
                names.join(", ")
            );
        }
        Ok(options)
    }

    /// The cases to run with an order.
    pub(crate) fn cases(&self, order: Order) -> Vec<Case> {
        if self.cases.is_empty() {
            return order.cases();
        }
        let all = case::all().into_iter();
        all.filter(|case| self.cases.iter().any(|name| name == case.name))
            .collect()
    }

    /// The server's configuration.
    pub(crate) fn configuration(&self, order: Order) -> String {
        // It is the default, and older servers do not know the key.
        let order = match order {
            Order::Fair => "",
            Order::Fifo => "order = \"fifo\"\n",
        };
        let quarantine = match self.quarantine {
            true => "",
            false => "[quarantine]\nruns = 0\n",
        };
        let given = &self.configuration;
        let filter = "info,ringfence_engine::committer=trace";
        format!("{order}{given}\n[log]\nformat = \"json\"\nfilter = \"{filter}\"\n{quarantine}")
    }
}

fn orders(text: &str) -> Result<Vec<Order>> {
    let order = |name: &str| match name {
        "fair" => Ok(Order::Fair),
        "fifo" => Ok(Order::Fifo),
        other => bail!("`{other}` is no order; there are fair and fifo"),
    };
    text.split(',').map(order).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn cases_are_chosen_by_name_or_by_order() {
        let options = parse("--order fair --case loops,all").unwrap();
        let names = |options: &Options, order| {
            let cases = options.cases(order).into_iter();
            cases.map(|case| case.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&options, Order::Fair), ["loops", "all"]);
        let options = parse("").unwrap();
        let (fair, fifo) = (names(&options, Order::Fair), names(&options, Order::Fifo));
        assert!(fifo.len() < fair.len());
        assert!(fifo.iter().all(|name| fair.contains(name)));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (line, said) in [
            ("--case nothing", "no case"),
            ("--order best", "no order"),
            ("--fast", "not an option"),
            ("--seconds", "missing"),
            ("--rate 0", "at least 1"),
        ] {
            let error = format!("{:#}", parse(line).unwrap_err());
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn the_configuration_says_what_is_asked_for() {
        let options = parse("").unwrap();
        assert!(!options.configuration(Order::Fair).contains("order"));
        assert!(
            options
                .configuration(Order::Fifo)
                .contains("order = \"fifo\"")
        );
        assert!(options.configuration(Order::Fair).contains("runs = 0"));
        let options = parse("--quarantine").unwrap();
        assert!(!options.configuration(Order::Fair).contains("runs = 0"));
    }
}
