//! What a bench is told on the command line.

use anyhow::{Context as _, bail, ensure};

/// What a bench is told on the command line.
#[derive(Debug)]
pub struct Options {
    /// To print JSON instead of tables.
    pub json: bool,
    /// How often everything has its turn.
    pub rounds: usize,
    /// What the bench's own option says.
    pub name: Option<String>,
}

impl Options {
    /// Of this process: `--json`, `--rounds N`, and one option of the bench's
    /// own with a value.
    ///
    /// # Errors
    /// Says which argument is none of these.
    pub fn parse(rounds: usize, own: &str) -> anyhow::Result<Self> {
        let mut options = Self {
            json: false,
            rounds,
            name: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().context("a value is missing");
            match argument.as_str() {
                "--json" => options.json = true,
                "--rounds" => options.rounds = value()?.parse()?,
                other if other == own => options.name = Some(value()?),
                other => bail!("`{other}` is not an option"),
            }
        }
        ensure!(options.rounds > 0, "`--rounds` must be more than 0");
        Ok(options)
    }
}
