//! The rule function: what it takes, and its documentation.

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, FnArg, ItemFn, Lit, Meta, Result, Safety, Type};

/// What the function takes before the context.
pub(crate) struct Signature<'a> {
    pub(crate) data: Option<&'a Type>,
    pub(crate) config: Option<&'a Type>,
    pub(crate) ctx: &'a Type,
}

impl<'a> Signature<'a> {
    pub(crate) fn of(function: &'a ItemFn) -> Result<Self> {
        let signature = &function.sig;
        refuse(
            signature.asyncness.as_ref(),
            "a rule is not async: it runs to its end and returns",
        )?;
        if let Safety::Unsafe(keyword) = &signature.safety {
            return Err(Error::new_spanned(keyword, "a rule is not unsafe"));
        }
        refuse(signature.abi.as_ref(), "a rule is a plain Rust function")?;
        refuse(
            signature.variadic.as_ref(),
            "a rule takes its data, its configuration and its context",
        )?;
        refuse(
            signature.generics.params.first(),
            "a rule is not generic: the host calls it",
        )?;
        let types = signature
            .inputs
            .iter()
            .map(parameter_type)
            .collect::<Result<Vec<_>>>()?;
        let (data, config, ctx) = match types[..] {
            [ctx] => (None, None, ctx),
            [data, ctx] => (Some(data), None, ctx),
            [data, config, ctx] => (Some(data), Some(config), ctx),
            _ => return Err(Error::new(signature.paren_token.span.join(), PARAMETERS)),
        };
        if !is_mutable_reference(ctx) {
            return Err(Error::new(
                ctx.span(),
                "the last parameter of a rule is `ctx: &mut Context`",
            ));
        }
        for ty in [data, config].into_iter().flatten() {
            if matches!(ty, Type::Reference(_)) {
                return Err(Error::new(
                    ty.span(),
                    "a rule takes its data and its configuration by value",
                ));
            }
        }
        Ok(Self { data, config, ctx })
    }
}

const PARAMETERS: &str = "a rule takes `(ctx: &mut Context)`, `(data, ctx: &mut Context)` or `(data, config, ctx: &mut Context)`";

fn refuse(present: Option<&impl ToTokens>, problem: &str) -> Result<()> {
    present.map_or(Ok(()), |tokens| Err(Error::new_spanned(tokens, problem)))
}

fn parameter_type(input: &FnArg) -> Result<&Type> {
    match input {
        FnArg::Typed(typed) => Ok(&typed.ty),
        FnArg::Receiver(receiver) => Err(Error::new_spanned(
            receiver,
            "a rule is a function, not a method",
        )),
    }
}

fn is_mutable_reference(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some())
}

/// The first paragraph of the documentation; without one, the function's name
/// in words.
pub(crate) fn summary(function: &ItemFn) -> String {
    let summary = documentation(&function.attrs);
    if summary.is_empty() {
        return function.sig.ident.to_string().replace('_', " ");
    }
    summary
}

/// The first paragraph of the documentation, in one line.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
    let paragraph: Vec<&str> = lines
        .iter()
        .flat_map(|text| text.split('\n'))
        .map(str::trim)
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty())
        .collect();
    paragraph.join(" ")
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(literal) if pair.path.is_ident("doc") => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
