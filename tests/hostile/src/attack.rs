//! One attack: what it does, and how it must end.

use std::fmt;

use ringfence_model::{Json, LimitOverrides, Limits, StopCode};

use crate::text;

/// A guest that attacks the host.
#[derive(Debug, Clone)]
pub struct Attack {
    /// Its family and its name, `cpu/empty-loop`.
    pub name: String,
    /// What it does, in a sentence.
    pub deed: String,
    /// How it must end.
    pub end: End,
    /// Within which limits.
    pub limits: Limits,
    /// The data of the event that it is run on.
    pub data: Json,
    /// Its bytes.
    pub upload: Vec<u8>,
}

/// How an attack must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Its upload is refused with this code.
    Upload(String),
    /// It is stopped while it describes itself.
    Describe(StopCode),
    /// It is stopped while it handles an event.
    Handle(StopCode),
    /// It comes to its end, and has done nothing but that.
    Harmless,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upload(code) => write!(f, "upload {code}"),
            Self::Describe(code) => write!(f, "describe {code}"),
            Self::Handle(code) => write!(f, "handle {code}"),
            Self::Harmless => f.write_str("harmless"),
        }
    }
}

impl End {
    /// As in a text's head: a place and a code, or `harmless`.
    fn parse(text: &str) -> Result<Self, String> {
        if text == "harmless" {
            return Ok(Self::Harmless);
        }
        let parts = text.split_once(' ');
        let (place, code) = parts.ok_or_else(|| format!("`{text}` is not an end"))?;
        match place {
            "upload" => Ok(Self::Upload(code.into())),
            "describe" => Ok(Self::Describe(code.parse()?)),
            "handle" => Ok(Self::Handle(code.parse()?)),
            _ => Err(format!("`{place}` is not a place")),
        }
    }
}

impl Attack {
    /// With the default limits, but a deadline far away: what stops an attack
    /// must be what it attacks, also on a host that is busy.
    pub(crate) fn new(name: impl Into<String>, deed: impl Into<String>, end: End) -> Self {
        Self {
            name: name.into(),
            deed: deed.into(),
            end,
            limits: patient(),
            data: Json::empty_object(),
            upload: Vec::new(),
        }
    }

    /// With these bytes.
    pub(crate) fn of(mut self, upload: Vec<u8>) -> Self {
        self.upload = upload;
        self
    }

    /// Reads a text. Its head is comments: the sentence, then what must be
    /// known about the attack.
    ///
    /// ```text
    /// ;; Burns CPU in a loop that does nothing.
    /// ;; ends: handle out-of-fuel
    /// ;; limits: {"fuel": 1000000}
    /// ;; event: {"n": 1}
    /// ;; as: upload
    /// ```
    ///
    /// `limits` and `event` are optional. A text that starts with `(module`
    /// is given the WIT type of our world, unless it goes `as: upload`.
    ///
    /// # Panics
    /// When the head or the text is not well-formed.
    pub fn read(name: &str, source: &str) -> Self {
        let wrong = |what: &str| -> ! { panic!("{name}: {what}") };
        let (mut deed, mut end) = (String::new(), None);
        let mut attack = Self::new(name, "", End::Harmless);
        let mut typed = is_module(source);
        let head = source.lines().map_while(|line| line.strip_prefix(";;"));
        for line in head.map(str::trim) {
            let key = line.split_once(": ").filter(|(key, _)| is_key(key));
            match key {
                None => deed = format!("{deed} {line}").trim_start().to_owned(),
                Some(("ends", text)) => {
                    end = Some(End::parse(text).unwrap_or_else(|error| wrong(&error)));
                }
                Some(("limits", text)) => attack.limits = limits(text),
                Some(("event", text)) => {
                    attack.data =
                        Json::parse(text).unwrap_or_else(|error| wrong(&error.to_string()));
                }
                Some(("as", "upload")) => typed = false,
                Some((_, text)) => wrong(&format!("`{text}` means nothing")),
            }
        }
        if !deed.ends_with('.') {
            wrong("its head does not begin with a sentence");
        }
        attack.deed = deed;
        attack.end = end.unwrap_or_else(|| wrong("its head does not say how it ends"));
        attack.of(text::upload(name, source, typed))
    }
}

fn is_key(text: &str) -> bool {
    ["ends", "limits", "event", "as"].contains(&text)
}

fn is_module(source: &str) -> bool {
    let code = |line: &&str| !line.starts_with(";;") && !line.is_empty();
    source
        .lines()
        .find(code)
        .is_some_and(|line| line.starts_with("(module"))
}

fn limits(text: &str) -> Limits {
    let overrides: LimitOverrides =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    overrides
        .check()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    patient().with(&overrides)
}

/// The default limits, with more time than anything takes that is not to end
/// by time.
pub(crate) fn patient() -> Limits {
    Limits {
        deadline_ms: 30_000,
        compile_ms: 120_000,
        ..Limits::default()
    }
}
