//! From the attribute and the function to the rule.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemFn, LitStr, Result, Type};

use crate::declaration::{Declaration, Trigger};
use crate::signature::{Signature, summary};

const SUMMARY_BYTES_MAX: usize = 1024;

/// The expansion. On an error the function stays, so that one mistake gives
/// one message.
pub(crate) fn rule(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let expanded = syn::parse2::<ItemFn>(item.clone())
        .map_err(|error| Error::new(error.span(), "`#[rule]` stands before a function"))
        .and_then(|function| expand(attribute, &function));
    let rule = expanded.unwrap_or_else(Error::into_compile_error);
    quote! {
        // Inlined into `handle`, it would be missing from backtraces.
        #[cfg_attr(target_arch = "wasm32", inline(never))]
        #[allow(clippy::needless_pass_by_value, reason = "rules take what was parsed for them")]
        #item
        #rule
    }
}

fn expand(attribute: TokenStream, function: &ItemFn) -> Result<TokenStream> {
    let declaration: Declaration = syn::parse2(attribute)?;
    let signature = Signature::of(function)?;
    let summary = summary(function);
    if summary.len() > SUMMARY_BYTES_MAX {
        return Err(Error::new(
            function.sig.ident.span(),
            "the first paragraph of the documentation is the rule's summary: at most 1024 bytes",
        ));
    }
    let (name, visibility) = (&function.sig.ident, &function.vis);
    let manifest = manifest(&declaration, &summary);
    let handle = handle(name, &signature);
    let schema = signature.config.map_or_else(
        || quote! { ::core::option::Option::None },
        |config| {
            quote_spanned! { config.span() =>
                ::core::option::Option::Some(::ringfence::__private::document::<#config>())
            }
        },
    );
    Ok(quote! {
        // A type beside the function: they live in different namespaces.
        #[doc = concat!("The rule `", stringify!(#name), "`, as the host and tests see it.")]
        #[allow(non_camel_case_types, dead_code)]
        #[derive(Clone, Copy, Debug)]
        #visibility struct #name {}

        impl ::ringfence::Rule for #name {
            const MANIFEST: ::ringfence::Manifest = #manifest;

            fn config_schema() -> ::core::option::Option<::std::string::String> {
                #schema
            }

            #handle
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = ::ringfence::guest::Component<#name>;
            ::ringfence::guest::bindings::export_component!(
                Component with_types_in ::ringfence::guest::bindings
            );
        };
    })
}

fn manifest(declaration: &Declaration, summary: &str) -> TokenStream {
    let triggers = declaration.triggers.iter().map(|Trigger { ty, ignore }| {
        quote! { ::ringfence::Trigger { ty: #ty, ignore: &[#(#ignore),*] } }
    });
    let Declaration { emits, acts, .. } = declaration;
    let summary = LitStr::new(summary, Span::call_site());
    quote! {
        ::ringfence::Manifest {
            triggers: &[#(#triggers),*],
            emits: &[#(#emits),*],
            acts: &[#(#acts),*],
            summary: #summary,
        }
    }
}

/// Each step carries the span of what its author wrote, so that a type that
/// does not fit is reported there.
fn handle(name: &Ident, signature: &Signature<'_>) -> TokenStream {
    let parse = |ty: &Type, parser: &str| {
        let parser = Ident::new(parser, ty.span());
        let text = Ident::new(&format!("{parser}_text"), Span::mixed_site());
        quote_spanned! { ty.span() => ::ringfence::__private::#parser::<#ty>(#text)?, }
    };
    let data = signature.data.map(|ty| parse(ty, "data"));
    let config = signature.config.map(|ty| parse(ty, "config"));
    let data_text = Ident::new("data_text", Span::mixed_site());
    let config_text = Ident::new("config_text", Span::mixed_site());
    let ctx = Ident::new("ctx", Span::mixed_site());
    let given_ctx = Ident::new("ctx", Span::mixed_site().located_at(signature.ctx.span()));
    let call = quote_spanned! { name.span() => #name(#data #config #given_ctx) };
    quote! {
        #[allow(unused_variables)]
        fn handle(
            #data_text: &str,
            #config_text: &str,
            #ctx: &mut ::ringfence::Context<'_>,
        ) -> ::core::result::Result<(), ::ringfence::Error> {
            ::ringfence::__private::Outcome::into_result(#call)
        }
    }
}
