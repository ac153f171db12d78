//! What the attribute declares, checked as the host checks it at upload
//! (`ringfence-model`, `Manifest::check`), so that a mistake shows where it
//! was made.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Result, Token, bracketed, parenthesized, token};

const TRIGGERS_MAX: usize = 32;
const IGNORES_MAX: usize = 32;
const NAMES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 256;

/// The attribute's content.
#[derive(Default)]
pub(crate) struct Declaration {
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) emits: Vec<LitStr>,
    pub(crate) acts: Vec<LitStr>,
}

/// One wanted event type.
pub(crate) struct Trigger {
    pub(crate) ty: LitStr,
    pub(crate) ignore: Vec<LitStr>,
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut this = Self::default();
        let (mut on, mut ignore) = (None, None);
        let (mut emits, mut acts) = (None, None);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "on" if input.peek(token::Paren) => this.triggers.push(parse_trigger(input)?),
                "on" => set(&mut on, &key, input)?,
                "ignore" => set(&mut ignore, &key, input)?,
                "emits" => set(&mut emits, &key, input)?,
                "acts" => set(&mut acts, &key, input)?,
                other => {
                    return Err(Error::new(
                        key.span(),
                        format!(
                            "`{other}` is not known here; a rule declares `on`, `ignore`, `emits`, `acts`"
                        ),
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if let (Some((key, _)), None) = (&ignore, &on) {
            return Err(Error::new(
                key.span(),
                "`ignore` says what does not count in the events of `on`, and there is no `on = ...`",
            ));
        }
        let ignore = ignore.map_or(Vec::new(), |(_, texts)| texts);
        for ty in on.map_or(Vec::new(), |(_, texts)| texts) {
            this.triggers.push(Trigger {
                ty,
                ignore: ignore.clone(),
            });
        }
        this.emits = emits.map_or(Vec::new(), |(_, texts)| texts);
        this.acts = acts.map_or(Vec::new(), |(_, texts)| texts);
        this.check(input)?;
        Ok(this)
    }
}

type Texts = Option<(Ident, Vec<LitStr>)>;

/// `KEY = "..."` or `KEY = ["...", ...]`, once.
fn set(place: &mut Texts, key: &Ident, input: ParseStream<'_>) -> Result<()> {
    if place.is_some() {
        return Err(Error::new(
            key.span(),
            format!("`{key}` is given twice; a list holds several: `{key} = [\"...\", \"...\"]`"),
        ));
    }
    input.parse::<Token![=]>()?;
    *place = Some((key.clone(), parse_texts(input)?));
    Ok(())
}

fn parse_texts(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    if input.peek(token::Bracket) {
        let list;
        bracketed!(list in input);
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
        return Ok(texts.into_iter().collect());
    }
    if input.peek(LitStr) {
        return Ok(vec![input.parse()?]);
    }
    Err(input.error("expected a string or a list of strings"))
}

/// `("type", ignore = ...)`.
fn parse_trigger(input: ParseStream<'_>) -> Result<Trigger> {
    let content;
    parenthesized!(content in input);
    let ty = content.parse()?;
    let mut ignore = None;
    while !content.is_empty() {
        content.parse::<Token![,]>()?;
        if content.is_empty() {
            break;
        }
        let key: Ident = content.parse()?;
        if key != "ignore" {
            return Err(Error::new(
                key.span(),
                format!("`{key}` is not known here; a trigger has `ignore`"),
            ));
        }
        set(&mut ignore, &key, &content)?;
    }
    let ignore = ignore.map_or(Vec::new(), |(_, texts)| texts);
    Ok(Trigger { ty, ignore })
}

impl Declaration {
    fn check(&self, input: ParseStream<'_>) -> Result<()> {
        if self.triggers.is_empty() {
            return Err(Error::new(
                input.span(),
                "a rule says which events it wants: `#[rule(on = \"conversation.created\")]`",
            ));
        }
        let wanted: Vec<&LitStr> = self.triggers.iter().map(|trigger| &trigger.ty).collect();
        check_patterns("on", &wanted, TRIGGERS_MAX)?;
        for trigger in &self.triggers {
            at_most(
                "ignore",
                trigger.ignore.len(),
                IGNORES_MAX,
                trigger.ignore.last(),
            )?;
            trigger.ignore.iter().try_for_each(check_pointer)?;
        }
        check_patterns("emits", &self.emits.iter().collect::<Vec<_>>(), NAMES_MAX)?;
        check_patterns("acts", &self.acts.iter().collect::<Vec<_>>(), NAMES_MAX)
    }
}

fn check_patterns(key: &str, patterns: &[&LitStr], limit: usize) -> Result<()> {
    at_most(key, patterns.len(), limit, patterns.last().copied())?;
    for (index, pattern) in patterns.iter().enumerate() {
        check_pattern(pattern)?;
        if patterns[..index]
            .iter()
            .any(|earlier| earlier.value() == pattern.value())
        {
            return Err(Error::new(
                pattern.span(),
                format!("`{}` is already in `{key}`", pattern.value()),
            ));
        }
    }
    Ok(())
}

fn check_pattern(pattern: &LitStr) -> Result<()> {
    let text = pattern.value();
    let problem = match text.find('*') {
        _ if text.is_empty() => "a name is not empty",
        _ if text.len() > NAME_BYTES_MAX => "a name has at most 256 bytes",
        _ if text.chars().any(char::is_control) => "a name holds no control characters",
        Some(at) if at + 1 != text.len() => "`*` may stand only at the end, as in `conversation.*`",
        _ => return Ok(()),
    };
    Err(Error::new(pattern.span(), problem))
}

fn check_pointer(pointer: &LitStr) -> Result<()> {
    let text = pointer.value();
    let escapes_fine = text
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']));
    let problem = if text.len() > NAME_BYTES_MAX {
        "a JSON pointer has at most 256 bytes here"
    } else if !text.starts_with('/') {
        "this is a JSON pointer, which starts with `/`, as in `/updated_at`"
    } else if !escapes_fine {
        "in a JSON pointer, `~` is written `~0` and a `/` within a name `~1`"
    } else {
        return Ok(());
    };
    Err(Error::new(pointer.span(), problem))
}

fn at_most(key: &str, count: usize, limit: usize, last: Option<&LitStr>) -> Result<()> {
    match last {
        Some(last) if count > limit => Err(Error::new(
            last.span(),
            format!("`{key}` has {count} entries; at most {limit} are allowed"),
        )),
        _ => Ok(()),
    }
}
