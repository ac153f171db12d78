//! `#[derive(Schema)]`: the static parts of the schema are put together
//! here, so that a component holds a few texts and the calls between them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Field, Fields, Lit, LitStr, Meta, Result, Token,
    Type,
};

use crate::case::Case;
use crate::signature::documentation;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    syn::parse2(input)
        .and_then(|input| expand(&input))
        .unwrap_or_else(Error::into_compile_error)
}

/// What serde is told about a type, a field or a variant.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<Case>,
    default: bool,
    skip: bool,
    deny_unknown_fields: bool,
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if let Some(generic) = input.generics.type_params().next() {
        return Err(Error::new_spanned(
            generic,
            "a configuration is not generic",
        ));
    }
    let serde = Serde::of(&input.attrs)?;
    let own = quote_json(&documentation(&input.attrs));
    let body = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => object(&serde, fields.named.iter())?,
            other => return Err(Error::new_spanned(other, UNDERSTOOD)),
        },
        Data::Enum(data) => {
            let mut names = Vec::new();
            for variant in &data.variants {
                if !matches!(variant.fields, Fields::Unit) {
                    return Err(Error::new_spanned(&variant.fields, UNDERSTOOD));
                }
                let given = Serde::of(&variant.attrs)?;
                let case = serde
                    .rename_all
                    .map(|case| case.of_variant(&variant.ident.to_string()));
                let name = given
                    .rename
                    .or(case)
                    .unwrap_or_else(|| variant.ident.to_string());
                if !given.skip {
                    names.push(quote_json(&name));
                }
            }
            let text = format!("\"enum\":[{}]}}", names.join(","));
            quote! { out.push_str(#text); }
        }
        Data::Union(_) => return Err(Error::new_spanned(&input.ident, UNDERSTOOD)),
    };
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::ringfence::Schema for #name #arguments #bounds {
            fn schema(out: &mut ::std::string::String, description: &str) {
                let description = if description.is_empty() { #own } else { description };
                ::ringfence::__private::open(out, description);
                #body
            }
        }
    })
}

const UNDERSTOOD: &str = "`Schema` is derived for structs with named fields and for enums of plain \
                          variants; for others, implement `ringfence::Schema` by hand";

fn object<'a>(serde: &Serde, fields: impl Iterator<Item = &'a Field>) -> Result<TokenStream> {
    let mut text = String::from("\"type\":\"object\",\"properties\":{");
    let (mut body, mut required) = (TokenStream::new(), Vec::new());
    let mut first = true;
    for field in fields {
        let given = Serde::of(&field.attrs)?;
        if given.skip {
            continue;
        }
        let ident = field.ident.as_ref().map(ToString::to_string);
        let ident = ident
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches("r#")
            .to_owned();
        let case = serde.rename_all.map(|case| case.of_field(&ident));
        let name = quote_json(&given.rename.or(case).unwrap_or(ident));
        if !first {
            text.push(',');
        }
        first = false;
        text.push_str(&name);
        text.push(':');
        let description = quote_json(&documentation(&field.attrs));
        let ty = &field.ty;
        body.extend(quote! {
            out.push_str(#text);
            <#ty as ::ringfence::Schema>::schema(out, #description);
        });
        text.clear();
        if !(serde.default || given.default || is_option(ty)) {
            required.push(name);
        }
    }
    text.push('}');
    if !required.is_empty() {
        text.push_str(&format!(",\"required\":[{}]", required.join(",")));
    }
    if serde.deny_unknown_fields {
        text.push_str(",\"additionalProperties\":false");
    }
    text.push('}');
    body.extend(quote! { out.push_str(#text); });
    Ok(body)
}

/// serde takes a missing `Option` for none.
fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Option"),
        _ => false,
    }
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut this = Self::default();
        for attribute in attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("serde"))
        {
            let list =
                attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
            for meta in list {
                this.read(&meta)?;
            }
        }
        Ok(this)
    }

    fn read(&mut self, meta: &Meta) -> Result<()> {
        let key = meta
            .path()
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        match key.as_str() {
            "rename" => self.rename = Some(text(meta)?.value()),
            "rename_all" => {
                let text = text(meta)?;
                let case = Case::named(&text.value());
                let unknown = || Error::new(text.span(), "serde does not know this case");
                self.rename_all = Some(case.ok_or_else(unknown)?);
            }
            "default" => self.default = true,
            "skip" | "skip_deserializing" => self.skip = true,
            "deny_unknown_fields" => self.deny_unknown_fields = true,
            // These do not change what is read.
            "borrow"
            | "bound"
            | "crate"
            | "expecting"
            | "skip_serializing"
            | "skip_serializing_if" => {}
            _ => {
                return Err(Error::new_spanned(
                    meta,
                    "`derive(Schema)` does not know what this makes of the schema; implement \
                     `ringfence::Schema` by hand",
                ));
            }
        }
        Ok(())
    }
}

fn text(meta: &Meta) -> Result<LitStr> {
    if let Meta::NameValue(pair) = meta
        && let Expr::Lit(literal) = &pair.value
        && let Lit::Str(text) = &literal.lit
    {
        return Ok(text.clone());
    }
    Err(Error::new_spanned(
        meta,
        "expected a string here, for reading and writing alike",
    ))
}

/// As a JSON string; empty for nothing.
fn quote_json(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
