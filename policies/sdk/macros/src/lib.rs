//! The `#[settings]` attribute of `grantd-policy`: serde's derive with the options that settings always have, and the
//! JSON Schema of the type, made at compile time. At run time a component only joins ready pieces of text.

mod schema;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

/// Makes a struct or an enum readable as settings: members in camelCase, unknown ones refused, and a JSON Schema from
/// the types and the documentation. `#[serde(default)]` makes a member optional, as `Option` does; `rename` and
/// `try_from` work too. Options of serde that change the shape in other ways are refused here, since the schema would
/// not tell them: implement `Deserialize` and `Schema` by hand for such a type.
#[proc_macro_attribute]
pub fn settings(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let made = match syn::parse::<DeriveInput>(item) {
        Ok(item) => expand(&options.into(), &item),
        Err(_) => Err(syn::Error::new(proc_macro2::Span::call_site(), "#[settings] goes before a struct or an enum")),
    };
    made.unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(options: &TokenStream, item: &DeriveInput) -> syn::Result<TokenStream> {
    if !options.is_empty() {
        return Err(syn::Error::new_spanned(options, "#[settings] takes no options"));
    }
    let schema = schema::implementation(item)?;
    // serde takes this for enums alone.
    let fields = matches!(item.data, syn::Data::Enum(_)).then(|| quote!(#[serde(rename_all_fields = "camelCase")]));
    Ok(quote! {
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::grantd_policy::serde::Deserialize)]
        #[serde(crate = "::grantd_policy::serde", rename_all = "camelCase", deny_unknown_fields)]
        #fields
        #item
        #schema
    })
}
